"""Files that are never half-written: replaced atomically, flushed to the disk."""

import json
import os
from pathlib import Path
from typing import Any, Final

MANIFEST: Final = "manifest.json"  # of an artifact, and of a run folder


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that readers see the old file or the new one, never a half."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Replace a file atomically and durably."""
    scratch = path.with_name(f".{path.name}.part")
    with scratch.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


def sync_tree(folder: Path) -> None:
    """Flush a folder and all it holds to the disk."""
    for path in [*folder.rglob("*"), folder]:
        sync(path)


def sync(path: Path) -> None:
    """Flush one file or folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
