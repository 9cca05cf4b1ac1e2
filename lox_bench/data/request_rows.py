"""Rows of requests from files as they are found: headerless, with lists in cells, by folder."""

import ast
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from lox_bench.data.user_file import read_user_file

_SENTENCE: Final = 5  # words; no column has such a name
_NUMBER: Final = re.compile(r"(\d+)")
_LABEL, _CONTRAST = "label", "contrast_"
Row = Mapping[str, Any]


def request_rows(path: Path, *, what: str) -> Sequence[Row]:
    """The rows of a file, or of all tables in a folder, which then name the category.

    A table of one column whose "name" is a sentence has no header: all its lines are requests,
    under ``prompt``. So are Qi et al.'s copy of AdvBench, and the files of HEx-PHI.

    Raises:
        DataError: a file cannot be read, or there is none.
    """
    if not path.is_dir():
        return _headed(read_user_file(path, what=what).rows)
    files = sorted(path.glob("*.csv"), key=_numbered)
    if not files:  # said as of a file that is none
        return read_user_file(path, what=what).rows
    return [
        {"category": file.stem, **row}
        for file in files
        for row in _headed(read_user_file(file, what=what).rows)
    ]


def _headed(rows: Sequence[Row]) -> Sequence[Row]:
    names = list(rows[0])
    if len(names) != 1 or len(str(names[0]).split()) < _SENTENCE:
        return rows
    return [{"prompt": text} for text in (names[0], *(row[names[0]] for row in rows))]


def _numbered(file: Path) -> list[str | int]:
    """``category_10`` comes after ``category_9``."""
    return [int(part) if part.isdigit() else part for part in _NUMBER.split(file.name)]


def only_text(value: Any) -> Any:
    """The text in a list of one, or in a cell that spells such a list; else the value."""
    held = value
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        try:
            held = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return value  # a text in brackets
    if isinstance(held, list) and len(held) == 1 and isinstance(held[0], str):
        return held[0]
    return value


def label_of(row: Row, rows: Sequence[Row]) -> str:
    """The label of a row of XSTest: its own, else by its type, as earlier versions have it.

    There unsafe requests are those of a type ``contrast_...``, and all others safe. Empty if the
    rows say neither.
    """
    known = {str(key).lower(): str(value) for key, value in row.items()}
    if _LABEL in known or not any(_type(other).startswith(_CONTRAST) for other in rows):
        return known.get(_LABEL, "").strip().lower()
    return "unsafe" if _type(row).startswith(_CONTRAST) else "safe"


def _type(row: Row) -> str:
    return next((str(value) for key, value in row.items() if str(key).lower() == "type"), "")
