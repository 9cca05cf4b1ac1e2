"""Content-addressed artifacts: built in a temporary folder, renamed when complete.

An artifact is ``<root>/<stage>/<key>/`` and exists only whole: its manifest is written last, all
files are flushed to disk, then the folder is renamed into place. A killed build leaves a folder
under ``tmp/`` that no reader looks at and the next build of the same key removes.
"""

import errno
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs
from filelock import FileLock

from lox_bench.errors import StoreError
from lox_bench.files import sync, sync_tree, write_json

MANIFEST = "manifest.json"
CACHE_VARIABLE = "LOX_BENCH_CACHE"

_FULL_BYTES = 1 << 20

Builder = Callable[[Path], Mapping[str, Any]]


def default_root() -> Path:
    """``$LOX_BENCH_CACHE``, or the platform's cache folder."""
    asked = os.environ.get(CACHE_VARIABLE)
    return Path(asked).expanduser() if asked else Path(platformdirs.user_cache_dir("lox-bench"))


class Store:
    """A folder of finished artifacts."""

    def __init__(self, root: Path) -> None:
        """Open (and create) the store at ``root``.

        Raises:
            StoreError: the folder cannot be made or written.
        """
        self.root = root
        try:
            (root / "tmp").mkdir(parents=True, exist_ok=True)
            (root / "locks").mkdir(exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"the cache {root} cannot be written ({error.strerror}); "
                f"set {CACHE_VARIABLE} to a folder of yours"
            ) from error

    def find(self, stage: str, key: str) -> Path | None:
        """The finished artifact of ``key``, if there is one."""
        path = self.root / stage / key
        return path if (path / MANIFEST).is_file() else None

    def remove(self, stage: str, key: str) -> None:
        """Drop an artifact that has served its purpose; none is left half, absent ones are fine."""
        with FileLock(self.root / "locks" / f"{stage}-{key}"):
            scratch = self.root / "tmp" / f"{stage}-{key}"
            shutil.rmtree(scratch, ignore_errors=True)
            if self.find(stage, key) is not None:
                (self.root / stage / key).rename(scratch)
                shutil.rmtree(scratch)

    def build(self, stage: str, key: str, recipe: Mapping[str, Any], builder: Builder) -> Path:
        """Return the artifact of ``key``, made by ``builder`` unless it exists already.

        ``builder`` fills the empty folder it is given and returns facts for the manifest. Two
        processes that want one key wait for each other, so the work is done once.

        Raises:
            StoreError: the disk is full or the store cannot be written.
        """
        with FileLock(self.root / "locks" / f"{stage}-{key}"):
            found = self.find(stage, key)
            if found is not None:
                return found
            scratch = self.root / "tmp" / f"{stage}-{key}"
            try:
                return self._build(stage, key, recipe, builder, scratch)
            except Exception as error:
                if not _disk_failed(error, self.root):
                    raise
                raise StoreError(
                    f"stage {stage} could not write below {self.root}: the disk is full or "
                    f"read-only; free space there or set {CACHE_VARIABLE} to another folder, then "
                    "run the same command again"
                ) from error
            finally:
                shutil.rmtree(scratch, ignore_errors=True)

    @contextmanager
    def scratch(self, stage: str, key: str) -> Iterator[Path]:
        """An empty folder for what is made, used and forgotten; it is gone when the block ends."""
        with FileLock(self.root / "locks" / f"{stage}-{key}"):
            folder = self.root / "tmp" / f"{stage}-{key}"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def _build(
        self, stage: str, key: str, recipe: Mapping[str, Any], builder: Builder, scratch: Path
    ) -> Path:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        start = time.monotonic()
        facts = dict(builder(scratch))
        manifest = {
            "stage": stage,
            "key": key,
            "seconds": round(time.monotonic() - start, 2),
            "facts": facts,
            "recipe": dict(recipe),
        }
        sync_tree(scratch)
        write_json(scratch / MANIFEST, manifest)
        target = self.root / stage / key
        target.parent.mkdir(exist_ok=True)
        scratch.rename(target)
        sync(target.parent)
        return target


def read_manifest(artifact: Path) -> dict[str, Any]:
    """The manifest of a finished artifact."""
    manifest: dict[str, Any] = json.loads((artifact / MANIFEST).read_text())
    return manifest


def _disk_failed(error: Exception, root: Path) -> bool:
    """Whether the disk is the culprit; libraries wrap its errors in types of their own."""
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EROFS}:
        return True
    return shutil.disk_usage(root).free < _FULL_BYTES
