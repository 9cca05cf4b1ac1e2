"""Tables of text, in the form that terminal, markdown and CSV share."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import floor, isnan
from typing import Any

from lox_bench.results.cells import as_cell


@dataclass(frozen=True, slots=True)
class TextTable:
    """Cells ready to be shown, under a title, with a note below.

    A terminal is narrow: there, each value of the column ``group`` heads a table of its own.
    Columns from ``numbers`` on stand to the right, where the form has sides.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    group: int | None = None
    numbers: int | None = None


def markdown(table: TextTable) -> str:
    """GitHub-flavoured markdown; a ``|`` in a cell is escaped."""
    lines = [table.head, ["---"] * len(table.head), *table.rows]
    body = "\n".join("| " + " | ".join(_cell(text) for text in line) + " |" for line in lines)
    note = f"\n\n{table.note}" if table.note else ""
    return f"### {table.title}\n\n{body}{note}\n"


def records_csv(records: Sequence[Any]) -> str:
    """Frozen records of one class as CSV, one column a field; NaN is empty."""
    if not records:
        return ""
    names = [slot.name for slot in fields(records[0])]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_plain(getattr(item, name)) for name in names] for item in records)
    return text.getvalue()


def signed(value: float) -> str:
    """A difference of shares: ``+0.12``; ``-`` if there is none."""
    return "-" if isnan(value) else f"{round(value, 2) + 0.0:+.2f}"  # no -0.00


def share(value: float) -> str:
    """A share: ``0.12``; ``-`` if there is none."""
    return "-" if isnan(value) else f"{value:.2f}"


def percent(value: float) -> str:
    """A share in whole percent, rounded down: what is too little never reads as enough."""
    return "-" if isnan(value) else f"{floor(100 * value)}%"


def p_value(value: float) -> str:
    """Three digits, or ``<0.001``."""
    if isnan(value):
        return "-"
    return "<0.001" if value < 0.001 else f"{value:.3f}"  # noqa: PLR2004 - as it is printed


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _plain(value: object) -> object:
    if isinstance(value, float):
        return "" if isnan(value) else f"{value:.6g}"
    return " ".join(f"{item:.6g}" for item in value) if isinstance(value, tuple) else as_cell(value)
