"""JSON lines of anybody's."""

import json
from typing import Any

from lox_bench.errors import DataError


def parse_jsonl(text: str, *, where: str) -> list[dict[str, Any]]:
    """Read one JSON object a line.

    Raises:
        DataError: a line is no JSON object (its number is named), or there is none.
    """
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{where}, line {number}: not JSON ({error.msg})") from error
        if not isinstance(row, dict):
            raise DataError(f"{where}, line {number}: a JSON object was wanted")
        rows.append(row)
    if not rows:
        raise DataError(f"{where} holds no rows")
    return rows
