"""Content-addressed artifacts: built in a temporary folder, renamed when complete.

An artifact is ``<root>/<kind>/<key>/`` and exists only whole: its manifest, with the hash of every
file, is written last, all files are flushed to disk, then the folder is renamed into place. A
killed build leaves a folder under ``tmp/`` that no reader looks at and the next build of the same
key removes. Whatever differs from its manifest is not there: it is moved away and made again.
"""

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import platformdirs
from filelock import FileLock

from lox_bench.engine.artifact import (
    ALWAYS_READ,
    FREED,
    Artifact,
    Manifest,
    damage,
    dump,
    files_in,
    lasts,
    listed,
    read_manifest,
    remember,
    stamp_of,
)
from lox_bench.engine.stage import Facts, Stage, describe
from lox_bench.errors import StoreError
from lox_bench.files import MANIFEST, sync, sync_tree, write_text

CACHE_VARIABLE = "LOX_BENCH_CACHE"
PARTIAL = "partial"
_OURS = {
    "tmp",
    "locks",
    "hashes",
    PARTIAL,
    "requests",
}  # folders of the root that hold no artifacts

_FULL_BYTES = 1 << 20
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}
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
        try:
            root.mkdir(parents=True, exist_ok=True, mode=_PRIVATE)
            for name in ("tmp", "locks"):
                (root / name).mkdir(exist_ok=True, mode=_PRIVATE)
        except OSError as error:
            if not root.is_dir():
                raise StoreError(
                    f"the cache {root} cannot be written ({error.strerror}); "
                    f"set {CACHE_VARIABLE} to a folder of yours"
                ) from error

    def find(self, stage: Stage) -> Artifact | None:
        """The finished artifact of a stage, verified; ``None`` where it is to be made."""
        manifest = self.told(stage)
        if manifest is None or self.is_freed(stage):
            return None
        folder = self.path_of(stage)
        problem = damage(folder, manifest)
        if not problem:
            return Artifact(folder, manifest)
        self._notice(f"{stage.kind}/{stage.key}: {problem}; it is made again where it is needed")
        if _small_files_sound(folder, manifest):
            _drop_large(folder)
        else:
            self.discard(stage)
        return None

    def told(self, stage: Stage) -> Manifest | None:
        """What a stage's build told, also where its weights are gone; ``None`` if unknown."""
        folder = self.path_of(stage)
        if not folder.is_dir():
            return None
        manifest = read_manifest(folder)
        if manifest is None or (manifest.kind, manifest.key) != (stage.kind, stage.key):
            self._notice(f"{stage.kind}/{stage.key}: its manifest is damaged; it is made again")
            self.discard(stage)
            return None
        return manifest

    def artifact(self, stage: Stage) -> Artifact | None:
        """What is left of a stage: whole, freed, or partial."""
        manifest = self.told(stage)
        if manifest is not None:
            return Artifact(self.path_of(stage), manifest)
        folder = self.root / PARTIAL / stage.kind / stage.key
        manifest = read_manifest(folder)
        return None if manifest is None else Artifact(folder, manifest, partial=True)

    def build(self, stage: Stage, work: Work, *, partial: Callable[[], bool] = bool) -> Artifact:
        """Return the artifact of a stage, made by ``work`` unless it exists already.

        ``work`` fills the empty folder it is given and returns facts for the manifest; if
        ``partial`` says so afterwards the result is kept apart, readable but never final. Two
        processes that want one key wait for each other, so the work is done once.

        Raises:
            StoreError: the disk is full or the store cannot be written.
        """
        try:
            with self._lock(stage):
                return self.find(stage) or self._build(stage, work, partial)
        except Exception as error:
            if not _disk_failed(error, self.root):
                raise
            raise StoreError(
                f"stage {stage.kind} could not write below {self.root}: the disk is full or "
                f"read-only; free space there or set {CACHE_VARIABLE} to another folder, then "
                "run the same command again"
            ) from error

    def free(self, stage: Stage) -> None:
        """Drop an artifact's large files; its manifest and small files stay."""
        with self._lock(stage):
            _drop_large(self.path_of(stage))

    def is_freed(self, stage: Stage) -> bool:
        """Whether an artifact's large files were dropped on purpose."""
        return (self.path_of(stage) / FREED).exists()

    def discard(self, stage: Stage) -> None:
        """Remove an artifact whole; none is left half, absent ones are fine."""
        remove(self.path_of(stage), self.root)

    def path_of(self, stage: Stage) -> Path:
        """Where the artifact of a stage is, or will be."""
        return self.root / stage.kind / stage.key

    def folders(self) -> Iterator[Path]:
        """Every artifact's folder, in order, whether sound or not."""
        for kind in sorted(self.root.iterdir()):
            if kind.is_dir() and kind.name not in _OURS:
                yield from sorted(path for path in kind.iterdir() if path.is_dir())

    def _lock(self, stage: Stage) -> FileLock:
        return FileLock(self.root / "locks" / f"{stage.kind}-{stage.key}")

    def _build(self, stage: Stage, work: Work, partial: Callable[[], bool]) -> Artifact:
        scratch = self.root / "tmp" / f"{stage.kind}-{stage.key}"
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
            return Artifact(self._settle(scratch, target, manifest), manifest, partial=not final)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _settle(self, scratch: Path, target: Path, manifest: Manifest) -> Path:
        sync_tree(scratch)
        write_text(scratch / MANIFEST, dump(manifest))
        target.parent.mkdir(exist_ok=True, parents=True, mode=_PRIVATE)
        for earlier in (target, self.root / PARTIAL / manifest.kind / manifest.key):
            remove(earlier, self.root)
        scratch.rename(target)
        sync(target.parent)
        large = [name for name, entry in manifest.files.items() if entry.size > ALWAYS_READ]
        if large:
            remember(target, {name: stamp_of(target / name) for name in large})
        return target


def remove(folder: Path, root: Path) -> None:
    """Take a folder away in one step, then delete it; what cannot be removed stays."""
    grave = root / "tmp" / f"gone-{folder.parent.name}-{folder.name}-{os.getpid()}"
    shutil.rmtree(grave, ignore_errors=True)
    with suppress(OSError):  # another process was first, or the store is read-only
        folder.rename(grave)
    shutil.rmtree(grave, ignore_errors=True)


def _drop_large(folder: Path) -> None:
    """Free an artifact; where that cannot be done (read-only) it stays."""
    if not (folder / MANIFEST).is_file():
        return
    with suppress(OSError):
        write_text(folder / FREED, "")  # first: whatever is missing is missing on purpose
        for path in files_in(folder):
            if path.is_symlink() or not lasts(path.name, path.stat().st_size):
                path.unlink(missing_ok=True)


def _small_files_sound(folder: Path, manifest: Manifest) -> bool:
    """Whether all that outlives the freeing of an artifact is as it was written."""
    small = {name: e for name, e in manifest.files.items() if lasts(name, e.size)}
    return not damage(folder, replace(manifest, files=small))


def _disk_failed(error: Exception, root: Path) -> bool:
    """Whether the disk is the culprit; libraries wrap its errors in types of their own."""
    if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
        return True
    return shutil.disk_usage(root).free < _FULL_BYTES
