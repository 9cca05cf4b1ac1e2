"""Files that are never half-written: replaced atomically, flushed to the disk."""

import errno
import json
import os
import secrets
from pathlib import Path
from typing import Any, Final

DISK_ERRORS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM})
PART: Final = ".part"  # of files that are being written
MANIFEST: Final = "manifest.json"  # of an artifact, and of a run folder


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that readers see the old file or the new one, never a half."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Replace a file atomically and durably."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file atomically and durably."""
    # of nobody else's, so that two writers of one file each write a whole one
    scratch = path.with_name(f".{secrets.token_hex(8)}{PART}")
    try:
        with scratch.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def remove_parts(folder: Path) -> None:
    """Remove what killed writers left in a folder and those below it; its sole writer may do so."""
    for file in folder.rglob(f".*{PART}"):
        file.unlink(missing_ok=True)


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
