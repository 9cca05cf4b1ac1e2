"""Freed artifacts: their large files are gone on purpose, manifest and small files stay.

The mark that says so (``.freed``) names what was dropped and is written first: a file that is
missing without standing there is damage, and a killed freeing is finished by the next one.
"""

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from lox_bench.engine.artifact import FREED, Manifest, damage, lasts
from lox_bench.files import MANIFEST, write_text


def is_freed(folder: Path) -> bool:
    """Whether an artifact's large files were dropped on purpose."""
    return (folder / FREED).exists()


def drop_large(folder: Path, manifest: Manifest) -> None:
    """Free an artifact; where that cannot be done (read-only, gone) it stays as it is."""
    if not (folder / MANIFEST).is_file():
        return
    with suppress(OSError):
        if not is_freed(folder):
            large = [name for name in manifest.files if not _lasts(folder, manifest, name)]
            write_text(folder / FREED, json.dumps(large))
        for name in _dropped(folder) or ():
            (folder / name).unlink(missing_ok=True)


def problem_of_freed(folder: Path, manifest: Manifest) -> str:
    """What is wrong with what a freed artifact still holds; empty if nothing is."""
    dropped = _dropped(folder)
    if dropped is None:
        return "the list of its freed files is damaged"
    left = {name: entry for name, entry in manifest.files.items() if name not in dropped}
    return damage(folder, replace(manifest, files=left))


def can_be_freed(folder: Path, manifest: Manifest) -> bool:
    """Whether all that would outlive the freeing of an artifact is as it was written."""
    if is_freed(folder):
        return not problem_of_freed(folder, manifest)
    small = {name: e for name, e in manifest.files.items() if _lasts(folder, manifest, name)}
    return not damage(folder, replace(manifest, files=small))


def _lasts(folder: Path, manifest: Manifest, name: str) -> bool:
    """Links go with the large files: what they show is not the store's."""
    return lasts(name, manifest.files[name].size) and not (folder / name).is_symlink()


def _dropped(folder: Path) -> list[str] | None:
    try:
        names = json.loads((folder / FREED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    known = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return names if known else None
