"""Content-addressed artifacts: built in a temporary folder, renamed when complete.

An artifact is ``<root>/<kind>/<key>/`` and exists only whole: its manifest, with the hash of every
file, is written last, all files are flushed to disk, then the folder is renamed into place. A
killed build leaves a folder under ``tmp/`` that no reader looks at and the next build of the same
key removes. Whatever differs from its manifest is not there: it is moved away and made again.
"""

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import platformdirs
from filelock import FileLock

from lox_bench.codec import KEY_LENGTH
from lox_bench.engine.artifact import (
    ALWAYS_READ,
    Artifact,
    Manifest,
    dump,
    listed,
    read_manifest,
    remember,
    stamp_of,
)
from lox_bench.engine.freed import can_be_freed, drop_large, is_freed
from lox_bench.engine.place import Place
from lox_bench.engine.stage import Facts, Stage, describe
from lox_bench.engine.state import Named, State, look
from lox_bench.errors import StoreError
from lox_bench.files import DISK_ERRORS, MANIFEST, sync, sync_tree, write_text

CACHE_VARIABLE = "LOX_BENCH_CACHE"
TMP: Final = "tmp"
PARTIAL: Final = "partial"
REQUESTS: Final = "requests"  # replies that judges were paid for; the judges' own affair
ENCODERS: Final = "encoders"  # what judges read answers with, fetched and checked by themselves
GONE: Final = "gone-"  # what is being deleted, under tmp/
_OURS: Final = {TMP, PARTIAL, REQUESTS, ENCODERS, "locks", "hashes"}  # they hold no artifacts
_KEY: Final = re.compile(rf"[0-9a-f]{{{KEY_LENGTH}}}")

_FULL_BYTES = 1 << 20
_PRIVATE = 0o700

Work = Callable[[Path], Facts]
Notice = Callable[[str], None]


def default_root() -> Path:
    """``$LOX_BENCH_CACHE``, or the platform's cache folder."""
    asked = os.environ.get(CACHE_VARIABLE)
    return Path(asked).expanduser() if asked else Path(platformdirs.user_cache_dir("lox-bench"))


class Store:
    """A folder of finished artifacts; ``notice`` hears, in one line, of any that were damaged."""

    def __init__(self, root: Path, notice: Notice = lambda _: None) -> None:
        """Open (and create) the store at ``root``; one that exists may be read-only.

        Raises:
            StoreError: the folder is not there and cannot be made.
        """
        self.root, self._notice = root, notice
        self._said: set[str] = set()
        try:
            root.mkdir(parents=True, exist_ok=True, mode=_PRIVATE)
            for name in (TMP, "locks"):
                (root / name).mkdir(exist_ok=True, mode=_PRIVATE)
        except OSError as error:
            if not root.is_dir():
                raise StoreError(
                    f"the cache {root} cannot be written ({error.strerror}); "
                    f"set {CACHE_VARIABLE} to a folder of yours"
                ) from error

    @property
    def place(self) -> Place:
        """Where it is."""
        return Place(self.root)

    def planning(self) -> AbstractContextManager[None]:
        """A context in which many stages are looked up, and none is made."""
        return nullcontext()

    def tidy(self) -> None:
        """Let go of copies that nobody needs; a store that is a folder has none."""

    def find(self, stage: Named) -> Artifact | None:
        """The finished artifact of a stage, verified; ``None`` where it is to be made."""
        state = self._settled(stage)
        if state.manifest is None or not state.whole:
            return None
        return Artifact(self.path_of(stage), state.manifest)

    def bring(self, stage: Named) -> Artifact | None:
        """The same, with all its files on this machine: whoever builds reads them."""
        return self.find(stage)

    def told(self, stage: Named) -> Manifest | None:
        """What a stage's build told, also where its weights are gone; ``None`` if unknown."""
        return self._settled(stage).manifest

    def mend(self, name: Named, *, thorough: bool = False) -> State:
        """Look again, alone with the artifact: files that are still damaged go, and only now.

        Without the lock a neighbour's work (freeing, putting a remade artifact in place) would
        pass for damage.
        """
        try:
            with self.lock(name):
                return self._mend(name, thorough=thorough)
        except OSError:  # a read-only store: what is damaged stays, and is not used
            return self._report(name, look(self.path_of(name), name, thorough=thorough))

    def artifact(self, stage: Stage) -> Artifact | None:
        """What is left of a stage: whole, freed, or partial."""
        manifest = self.told(stage)
        if manifest is not None:
            return Artifact(self.path_of(stage), manifest)
        folder = self.root / PARTIAL / stage.kind / stage.key
        partial = look(folder, stage)
        if partial.manifest is None or not partial.whole:
            return None
        return Artifact(folder, partial.manifest, partial=True)

    def build(self, stage: Stage, work: Work, *, partial: Callable[[], bool] = bool) -> Artifact:
        """Return the artifact of a stage, made by ``work`` unless it exists already.

        ``work`` fills the empty folder it is given and returns facts for the manifest; if
        ``partial`` says so afterwards the result is kept apart, readable but never final. Two
        processes that want one key wait for each other, so the work is done once.

        Raises:
            StoreError: the disk is full or the store cannot be written.
        """
        try:
            found = self.find(stage)  # without the lock: a read-only store serves what it has
            if found is not None:
                return found
            with self.lock(stage):
                state = self._mend(stage)
                if state.manifest is not None and state.whole:
                    return Artifact(self.path_of(stage), state.manifest)
                return self._build(stage, work, partial)
        except Exception as error:
            if not _disk_failed(error, self.root):
                raise
            raise StoreError(
                f"stage {stage.kind} could not write below {self.root}: the disk is full or "
                f"read-only; free space there or set {CACHE_VARIABLE} to another folder, then "
                "run the same command again"
            ) from error

    def free(self, stage: Named) -> None:
        """Drop an artifact's large files; its manifest and small files stay.

        What somebody is making at this moment is left to them, and so is a read-only store.
        """
        folder = self.path_of(stage)
        with suppress(OSError), self.lock(stage, wait=False):
            manifest = read_manifest(folder)
            if manifest is not None:
                drop_large(folder, manifest)

    def is_freed(self, stage: Named) -> bool:
        """Whether an artifact's large files were dropped on purpose."""
        return is_freed(self.path_of(stage))

    def discard(self, stage: Named) -> None:
        """Remove an artifact whole; none is left half, absent ones are fine."""
        remove(self.path_of(stage), self.root)

    def path_of(self, stage: Named) -> Path:
        """Where the artifact of a stage is, or will be."""
        return self.root / stage.kind / stage.key

    def folders(self) -> Iterator[Path]:
        """Every artifact's folder, in order, whether sound or not."""
        for kind in sorted(self.root.iterdir()):
            if kind.is_dir() and kind.name not in _OURS:
                yield from artifacts_in(kind)

    def lock(self, name: Named, *, wait: bool = True) -> FileLock:
        """The lock of one artifact; held by whoever makes or changes it.

        Without ``wait``, entering it while another holds it raises ``TimeoutError``.
        """
        path = self.root / "locks" / f"{name.kind}-{name.key}"
        return FileLock(path, timeout=-1 if wait else 0)

    def _settled(self, name: Named) -> State:
        state = look(self.path_of(name), name)
        return self.mend(name) if state.problem else state

    def _mend(self, name: Named, *, thorough: bool = False) -> State:
        """With the lock held: free what lost large files only, discard what lost more."""
        folder = self.path_of(name)
        state = self._report(name, look(folder, name, thorough=thorough))
        if state.problem and state.manifest and can_be_freed(folder, state.manifest):
            drop_large(folder, state.manifest)
        elif state.problem:
            self.discard(name)
        else:
            return state
        return State(read_manifest(folder), problem=state.problem)

    def _report(self, name: Named, state: State) -> State:
        line = f"{name.kind}/{name.key}: {state.problem}; it is made again where it is needed"
        if state.problem and line not in self._said:
            self._said.add(line)
            self._notice(line)
        return state

    def _build(self, stage: Stage, work: Work, partial: Callable[[], bool]) -> Artifact:
        scratch = self.root / TMP / f"{stage.kind}-{stage.key}"
        shutil.rmtree(scratch, ignore_errors=True)
        try:
            scratch.mkdir(mode=_PRIVATE)
            start = time.monotonic()
            facts = dict(work(scratch))
            manifest = Manifest(
                kind=stage.kind,
                key=stage.key,
                made=datetime.now(UTC).isoformat(timespec="seconds"),
                seconds=round(time.monotonic() - start, 2),
                units=stage.effort.units,
                scale=stage.effort.scale,
                facts=facts,
                stage=describe(stage),
                files=listed(scratch),
            )
            final = not partial()
            target = self.path_of(stage) if final else self.root / PARTIAL / stage.kind / stage.key
            path = place_folder(scratch, target, manifest, self.root)
            return Artifact(path, manifest, partial=not final)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def place_folder(scratch: Path, target: Path, manifest: Manifest, root: Path) -> Path:
    """Give a finished folder its manifest and its place, in one step, whatever was there."""
    sync_tree(scratch)
    write_text(scratch / MANIFEST, dump(manifest))
    for folder in (target.parent.parent, target.parent):
        folder.mkdir(exist_ok=True, mode=_PRIVATE)
    for earlier in (target, root / PARTIAL / manifest.kind / manifest.key):
        remove(earlier, root)
    scratch.rename(target)
    sync(target.parent)
    large = [name for name, entry in manifest.files.items() if entry.size > ALWAYS_READ]
    here = [name for name in large if (target / name).exists()]
    if here:
        remember(target, {name: stamp_of(target / name) for name in here})
    return target


def remove(folder: Path, root: Path) -> None:
    """Take a folder away in one step, then delete it; what cannot be removed stays."""
    grave = root / TMP / f"{GONE}{folder.parent.name}-{folder.name}-{os.getpid()}"
    shutil.rmtree(grave, ignore_errors=True)
    with suppress(OSError):  # another process was first, or the store is read-only
        folder.rename(grave)
    shutil.rmtree(grave, ignore_errors=True)


def artifacts_in(kind: Path) -> Iterator[Path]:
    """The artifact folders of one kind, in order; what else lies there is not ours."""
    yield from sorted(path for path in kind.iterdir() if _KEY.fullmatch(path.name))


def _disk_failed(error: Exception, root: Path) -> bool:
    """Whether the disk is the culprit; libraries wrap its errors in types of their own."""
    if isinstance(error, OSError) and error.errno in DISK_ERRORS:
        return True
    return shutil.disk_usage(root).free < _FULL_BYTES
