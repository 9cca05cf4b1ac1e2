"""Diagnostic results as tidy CSV: one dataclass a line, absent values empty."""

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from lox_bench.results.cells import as_cell


def csv_of(cls: type[Any], items: Iterable[Any]) -> str:
    """Frozen records of one dataclass as CSV text; floats to six digits, NaN and None empty."""
    names = [slot.name for slot in fields(cls)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_written(getattr(item, name)) for name in names] for item in items)
    return text.getvalue()


def _written(value: object) -> object:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.6g}" if isinstance(value, float) else as_cell(value)
