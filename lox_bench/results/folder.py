"""A results folder that belongs to one question: asking it again is safe, another is refused."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lox_bench.engine.store import MANIFEST
from lox_bench.errors import StoreError, UsageError
from lox_bench.files import write_json

_KEPT = ("judges", "expenses")


def claim(path: Path, key: str) -> Mapping[str, Any]:
    """Make a results folder, or take it over if it holds earlier results of the same ``key``.

    What was judged and paid earlier survives a killed rerun; the earlier manifest is returned.

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
    if held.get("plan") != key and any(path.iterdir()):
        whose = "another run" if held else "files that are no run"
        raise UsageError(f"--out {path} holds {whose}; nothing was overwritten, name another")
    kept = {name: held[name] for name in _KEPT if name in held}
    write_json(path / MANIFEST, {"plan": key, "finished": None, **kept})
    return held


def _held(path: Path) -> Mapping[str, Any]:
    """The manifest of the run in a folder; empty if there is none."""
    try:
        held = json.loads((path / MANIFEST).read_text())
    except (OSError, ValueError):
        return {}
    return held if isinstance(held, dict) and "plan" in held else {}
