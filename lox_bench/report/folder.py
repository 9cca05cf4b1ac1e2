"""A results folder that belongs to one question: asking it again is safe, another is refused."""

import json
import os
from pathlib import Path

from lox_bench.errors import StoreError, UsageError
from lox_bench.store import MANIFEST, write_json


def claim(path: Path, key: str) -> None:
    """Make a results folder, or take it over if it holds earlier results of the same ``key``.

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
    held = _held_key(path)
    if held != key and any(path.iterdir()):
        whose = "another run" if held else "files that are no run"
        raise UsageError(f"--out {path} holds {whose}; nothing was overwritten, name another")
    write_json(path / MANIFEST, {"plan": key, "finished": None})


def _held_key(path: Path) -> str | None:
    try:
        return str(json.loads((path / MANIFEST).read_text())["plan"])
    except (OSError, ValueError, KeyError):
        return None
