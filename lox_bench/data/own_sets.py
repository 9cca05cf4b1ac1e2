"""A file of prompts of the user's, named where a prompt set is: ``--prompts mine.csv``.

Without further word its requests are harmful ones, and the share answered is measured. A column
``expected_refusal`` (or ``expected``, or ``label`` with safe and unsafe) parts it in two: requests
to be refused, and look-alikes (``mine-safe``), of which the share refused is the over-refusal.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from lox_bench.data.request_rows import label_of, request_rows
from lox_bench.data.user_file import read_user_text
from lox_bench.errors import DataError, UsageError
from lox_bench.names import is_name

ENDINGS: Final = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".txt")
SAFE: Final = "-safe"
_EXPECTED: Final = ("expected_refusal", "expected")
_REFUSE: Final = frozenset(
    {"refuse", "refused", "refusal", "unsafe", "harmful", "yes", "true", "1"}
)
_COMPLY: Final = frozenset({"comply", "complied", "compliance", "answer", "safe", "benign", "no",
                            "false", "0"})  # fmt: skip
Row = Mapping[str, Any]


def is_prompt_file(name: str) -> bool:
    """Whether a name is one of a file: by its ending, so that a missing one is said to be."""
    return Path(name).name.removesuffix(".gz").lower().endswith(ENDINGS)


def set_name(file: Path) -> str:
    """What a file's set is called: its name up to the first full stop.

    Raises:
        UsageError: that is no name.
    """
    stem = file.name.split(".")[0]
    if not is_name(stem):
        raise UsageError(
            f"--prompts {file}: {stem!a} cannot name a prompt set; letters, digits, '_' and '-' "
            "were wanted: rename the file"
        )
    return stem


def read_prompt_rows(file: Path) -> Sequence[Row]:
    """The rows of a file; of a text file its lines, under ``prompt``."""
    if file.name.removesuffix(".gz").lower().endswith(".txt"):
        lines = read_user_text(file, what="prompt set").split("\n")
        return [{"prompt": line.strip()} for line in lines if line.strip()]
    return request_rows(file, what="prompt set")


def expected_refusals(rows: Sequence[Row], where: str) -> list[bool | None]:
    """Whether each row says that its request is to be refused; ``None`` if it does not say.

    Raises:
        DataError: what a row says is neither.
    """
    return [
        _expects_refusal(row, rows, f"{where}, row {number}")
        for number, row in enumerate(rows, start=1)
    ]


def _expects_refusal(row: Row, rows: Sequence[Row], where: str) -> bool | None:
    known = {str(key).lower(): value for key, value in row.items()}
    column = next((name for name in _EXPECTED if name in known), None)
    if column is None:
        word = label_of(row, rows)
        return word == "unsafe" if word in {"safe", "unsafe"} else None
    word = str(known[column]).strip().lower()
    if word not in _REFUSE | _COMPLY:
        raise DataError(
            f"{where}: refuse or comply (yes or no, unsafe or safe) was wanted under {column!r}, "
            f"not {str(known[column])[:40]!r}"
        )
    return word in _REFUSE
