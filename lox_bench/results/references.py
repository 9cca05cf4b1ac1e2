"""Which stored stages the records of run folders refer to."""

from collections.abc import Sequence
from pathlib import Path

from lox_bench.codec import read_json
from lox_bench.errors import UsageError
from lox_bench.files import MANIFEST
from lox_bench.strict_json import texts_in


def texts_in_records(runs: Sequence[Path], *, besides: Path) -> set[str]:
    """Every text in the records of run folders at or below ``runs``, keys of stages among them.

    Records of other commands (diagnose, landscape) are read too, and so all forms of them count:
    better one key too many is kept than one too few.

    Args:
        runs: folders.
        besides: a store; what lies in it is no run.

    Raises:
        UsageError: a folder is not there, or holds no record: everything would be unreferenced.
        DataError: a record cannot be read, so nobody knows what it refers to.
    """
    found: set[str] = set()
    for folder in runs:
        if not folder.is_dir():
            raise UsageError(f"--unreferenced {folder}: no such folder")
        records = [file for file in folder.rglob(MANIFEST) if besides not in file.resolve().parents]
        if not records:
            raise UsageError(
                f"--unreferenced {folder}: there is no run in it, so nothing would stay"
            )
        found.update(text for file in records for text in texts_in(read_json(file)))
    return found
