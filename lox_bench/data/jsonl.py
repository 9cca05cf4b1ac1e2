"""JSON lines of anybody's."""

from typing import Any, Final

from lox_bench.errors import DataError
from lox_bench.strict_json import parse_json

LONGEST_LINE: Final = 1_000_000  # characters: no row is a novel


def parse_jsonl(text: str, *, where: str) -> list[dict[str, Any]]:
    """Read one JSON object a line.

    Raises:
        DataError: a line is no JSON object, is longer than ``LONGEST_LINE`` characters, or holds
            what ``parse_json`` refuses (its number is named); or there is none.
    """
    rows = []
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        if not line.strip():
            continue
        if len(line) > LONGEST_LINE:
            raise DataError(f"{where}, line {number}: longer than {LONGEST_LINE} characters")
        row = parse_json(line, where=f"{where}, line {number}")
        if not isinstance(row, dict):
            raise DataError(f"{where}, line {number}: a JSON object was wanted")
        rows.append(row)
    if not rows:
        raise DataError(f"{where} holds no rows")
    return rows
