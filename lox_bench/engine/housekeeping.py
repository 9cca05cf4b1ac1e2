"""What lies in a store, whether it is sound, and what of it may go."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from lox_bench.engine.artifact import Manifest, read_manifest
from lox_bench.engine.freed import is_freed
from lox_bench.engine.state import look
from lox_bench.engine.store import (
    ENCODERS,
    GONE,
    PARTIAL,
    REQUESTS,
    TMP,
    Store,
    artifacts_in,
    remove,
)
from lox_bench.strict_json import texts_in
from lox_bench.types import Progress

_MEGA = 1 << 20


@dataclass(frozen=True, slots=True)
class Held:
    """One artifact folder; ``manifest`` is ``None`` where it is damaged, ``nbytes`` on the disk."""

    folder: Path
    manifest: Manifest | None
    freed: bool
    partial: bool
    nbytes: int

    @property
    def kind(self) -> str:
        """Kind of the stage."""
        return self.folder.parent.name

    @property
    def key(self) -> str:
        """Key of the stage."""
        return self.folder.name

    @property
    def made(self) -> datetime:
        """When it was made; where no manifest says so, when its folder was last changed."""
        if self.manifest is not None:
            return datetime.fromisoformat(self.manifest.made)
        return datetime.fromtimestamp(self.folder.stat().st_mtime, UTC)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which artifacts are meant: those that meet every condition that is given.

    ``referred`` are the keys that somebody still refers to: what is meant is not among them.
    """

    before: datetime | None = None
    kinds: Collection[str] = ()
    referred: Collection[str] | None = None

    @property
    def is_open(self) -> bool:
        """Whether no condition is given: then nothing is meant."""
        return self.before is None and not self.kinds and self.referred is None

    def means(self, item: Held) -> bool:
        """Whether an artifact meets the conditions."""
        return not self.is_open and all(
            (
                self.before is None or item.made < self.before,
                not self.kinds or item.kind in self.kinds,
                self.referred is None or item.key not in self.referred,
            )
        )


def inventory(store: Store) -> list[Held]:
    """Every artifact in the store, whole, freed, partial or damaged; sorted by kind and key."""
    folders = [(folder, False) for folder in store.folders()]
    for kind in _children(store.root / PARTIAL):
        folders += [(folder, True) for folder in artifacts_in(kind)]
    items = [
        Held(folder, read_manifest(folder), is_freed(folder), partial, size_of(folder))
        for folder, partial in folders
    ]
    return sorted(items, key=lambda item: (item.kind, item.key))


def leftovers(store: Store) -> list[Path]:
    """What killed processes left under ``tmp/``: builds that nobody is at, half deletions."""
    return [path for path in _children(store.root / TMP) if _is_abandoned(store, path)]


def requests(store: Store) -> list[Path]:
    """The files that keep judges' replies."""
    return [path for path in _children(store.root / REQUESTS) if path.is_file()]


def encoders(store: Store) -> list[Path]:
    """The encoders that judges read answers with."""
    return _children(store.root / ENCODERS)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; a link counts for nothing."""
    files = [path, *path.rglob("*")] if path.is_dir() else [path]
    total = 0
    for file in files:
        with suppress(OSError):  # somebody else deletes it
            total += 0 if file.is_symlink() or not file.is_file() else file.stat().st_size
    return total


def verify(
    store: Store, items: Sequence[Held], progress: Progress, *, report_only: bool = False
) -> Iterator[tuple[Held, str]]:
    """Read every file of the artifacts; those that are damaged, and what is wrong with them.

    They are dropped as in any reading (freed where only large files are damaged, else discarded),
    unless ``report_only``.
    """
    total, done = sum(item.nbytes for item in items), 0
    for item in items:
        name = f"{item.kind}/{item.key}"
        progress.step(done // _MEGA, max(total // _MEGA, 1), name)
        problem = look(item.folder, item, thorough=True).problem
        if problem and not report_only:
            problem = _drop_damaged(store, item)
        if problem:
            yield item, problem
        done += item.nbytes
    progress.step(max(total // _MEGA, 1), max(total // _MEGA, 1))


def discard(store: Store, items: Iterable[Held]) -> list[Held]:
    """Delete artifacts; those that somebody is making at this moment stay, and are returned."""
    busy = []
    for item in items:
        try:
            with store.lock(item, wait=False):
                remove(item.folder, store.root)
        except TimeoutError:
            busy.append(item)
    return busy


def clear(store: Store, paths: Iterable[Path]) -> None:
    """Delete leftovers; what a build has taken up again meanwhile stays."""
    for path in paths:
        with suppress(TimeoutError), _lock_of(store, path):
            remove(path, store.root)


def referred_to(items: Iterable[Held], keys: Collection[str], along: Collection[str]) -> set[str]:
    """The keys, those of all stages upstream of them, and what of the kinds ``along`` reads them.

    A run's record names answers and the judges, not each verdict: verdicts go with their answers.
    """
    items = list(items)
    known = {item.key for item in items}  # of all texts in a description, these are the keys
    upstream = {i.key: known.intersection(texts_in(i.manifest.stage)) for i in items if i.manifest}
    riders = {item.key for item in items if item.kind in along}
    found = known.intersection(keys)
    found |= {key for key in riders if upstream.get(key, set()) & found}
    waiting = list(found)
    while waiting:
        fresh = upstream.get(waiting.pop(), set()) - found
        found |= fresh
        waiting += fresh
    return found


def _drop_damaged(store: Store, item: Held) -> str:
    if not item.partial:
        return store.mend(item, thorough=True).problem
    remove(item.folder, store.root)
    return "an unfinished one is damaged"


def _children(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _is_abandoned(store: Store, path: Path) -> bool:
    if path.name.startswith(GONE):
        return True
    try:
        with _lock_of(store, path):
            return True
    except TimeoutError:
        return False


def _lock_of(store: Store, path: Path) -> FileLock:
    """The lock under which something in ``tmp/`` is made: it bears the same name."""
    return FileLock(store.root / "locks" / path.name, timeout=0)
