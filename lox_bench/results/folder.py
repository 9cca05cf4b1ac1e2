"""A results folder that belongs to one question: asking it again is safe, another is refused."""

import os
from pathlib import Path

from lox_bench.errors import DataError, StoreError, UsageError
from lox_bench.files import remove_parts
from lox_bench.results.lock import OURS
from lox_bench.results.record import Claim, RunRecord, load_record, save_record


def claim(path: Path, key: str) -> Claim:
    """Take a folder that ``make`` made, empty or if it holds earlier results of the same ``key``.

    What was judged and paid earlier survives a killed rerun; it is in the claim returned. A
    finished run keeps its manifest, and stays readable, until the new one is complete.

    Raises:
        UsageError: it holds something else.
    """
    remove_parts(path)
    held = _held(path)
    others = any(file.name not in OURS for file in path.iterdir())
    if (held is None or held.plan != key) and others:
        whose = "another run" if held else "files that are no run"
        raise UsageError(f"--out {path} holds {whose}; nothing was overwritten, name another")
    kept = Claim(key)
    if held is not None:
        kept = Claim(
            key, judges=held.judges, added_judges=held.added_judges, expenses=held.expenses
        )
    if not isinstance(held, RunRecord):
        save_record(path, kept)
    return kept


def make(path: Path) -> None:
    """Make a results folder, if it is not there.

    Raises:
        StoreError: it cannot be made or written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"--out {path} cannot be made: {error.strerror}") from error
    if not os.access(path, os.W_OK):
        raise StoreError(f"--out {path} cannot be written")


def _held(path: Path) -> RunRecord | Claim | None:
    """The record of the run in a folder; nothing if there is none that can be read."""
    try:
        return load_record(path)
    except DataError:
        return None
