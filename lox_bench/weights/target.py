"""A folder that appears whole or not at all, and never over something that is not ours to lose."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from lox_bench.errors import TargetError
from lox_bench.files import sync_tree
from lox_bench.sources.layout import ADAPTER_CONFIG, CONFIG

_LOCK: Final = ".lock"


@contextmanager
def new_folder(out: Path, sources: Sequence[Path], *, force: bool) -> Iterator[Path]:
    """Yield an empty folder beside ``out`` that takes its name when the block has succeeded.

    It is ``.NAME.partial``; what a killed run left there is removed by the next one. An existing
    ``out`` stays untouched until the new one is complete.

    Args:
        out: where the folder is to be.
        sources: folders that are read meanwhile and must not be replaced.
        force: replace an existing ``out``, if it is a model or an adapter.

    Raises:
        TargetError: ``out`` exists, holds something else, is being written, or cannot be made.
    """
    out = out.expanduser().absolute()
    _check(out, sources, force=force)
    partial = out.with_name(f".{out.name}.partial")
    try:
        partial.mkdir(parents=True, exist_ok=True)
        lock = FileLock(partial / _LOCK)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise TargetError(f"{out} is being written by another process; wait for it") from error
    except OSError as error:
        raise TargetError(f"{partial} cannot be written ({error.strerror})") from error
    try:
        _clear(partial)
        yield partial
        (partial / _LOCK).unlink()
        sync_tree(partial)
        _swap(partial, out)
    finally:
        lock.release()
        shutil.rmtree(partial, ignore_errors=True)


def _check(out: Path, sources: Sequence[Path], *, force: bool) -> None:
    for source in sources:
        if source.resolve().is_relative_to(out.resolve()):
            raise TargetError(f"{out} holds {source}, which is read; choose another --out")
    if not out.exists():
        return
    if not force:
        raise TargetError(f"{out} exists; choose another --out, or replace it with --force")
    if not any((out / name).is_file() for name in (CONFIG, ADAPTER_CONFIG)):
        raise TargetError(
            f"{out} is neither a model nor an adapter, so --force does not replace it; remove it "
            "yourself or choose another --out"
        )


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != _LOCK:
            path.unlink()


def _swap(partial: Path, out: Path) -> None:
    if not out.exists():
        partial.rename(out)
        return
    old = out.with_name(f".{out.name}.replaced")
    shutil.rmtree(old, ignore_errors=True)
    out.rename(old)
    partial.rename(out)
    shutil.rmtree(old)
