"""A results folder that belongs to one question: asking it again is safe, another is refused."""

import os
from pathlib import Path

from lox_bench.errors import DataError, StoreError, UsageError
from lox_bench.results.record import Claim, RunRecord, load_record, save_record


def claim(path: Path, key: str) -> Claim:
    """Make a results folder, or take it over if it holds earlier results of the same ``key``.

    What was judged and paid earlier survives a killed rerun; it is in the claim returned.

    Raises:
        UsageError: it holds something else.
        StoreError: it cannot be written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"--out {path} cannot be made: {error.strerror}") from error
    if not os.access(path, os.W_OK):
        raise StoreError(f"--out {path} cannot be written")
    held = _held(path)
    if (held is None or held.plan != key) and any(path.iterdir()):
        whose = "another run" if held else "files that are no run"
        raise UsageError(f"--out {path} holds {whose}; nothing was overwritten, name another")
    kept = Claim(key)
    if held is not None:
        kept = Claim(
            key, judges=held.judges, added_judges=held.added_judges, expenses=held.expenses
        )
    save_record(path, kept)
    return kept


def _held(path: Path) -> RunRecord | Claim | None:
    """The record of the run in a folder; nothing if there is none that can be read."""
    try:
        return load_record(path)
    except DataError:
        return None
