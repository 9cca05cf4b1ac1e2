"""Tables that other commands leave in a run's folder, shown as they are."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from lox_bench.errors import DataError
from lox_bench.results.record import ExpenseRecord
from lox_bench.results.run import Run
from lox_bench.results.text_table import TextTable

FILES: Final[Mapping[str, str]] = {
    "worst_case.csv": "Worst case over the settings of each attack",
    "agreement/agreement.csv": "Agreement between the judges",
}
EXPENSES = "What served judges cost"


def further_tables(run: Run) -> list[TextTable]:
    """Worst cases, agreement and expenses, those of them that the run has.

    Raises:
        DataError: a file is there and cannot be read.
    """
    return [*_files(run.path), *_expenses(run.record.expenses)]


def _files(folder: Path) -> Iterator[TextTable]:
    for name, title in FILES.items():
        file = folder / name
        if not file.is_file():
            continue
        try:
            head, *lines = csv.reader(io.StringIO(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, csv.Error) as error:
            raise DataError(f"{file} cannot be read ({error})") from error
        rows = tuple(tuple(map(_shown, line)) for line in lines)
        yield TextTable(title, tuple(head), rows)


def _expenses(records: Sequence[ExpenseRecord]) -> Iterator[TextTable]:
    if records:
        head = tuple(slot.name for slot in fields(ExpenseRecord))
        rows = tuple(tuple(_shown(getattr(record, name)) for name in head) for record in records)
        yield TextTable(EXPENSES, head, rows)


def _shown(value: Any) -> str:
    """Numbers to four digits, tuples and mappings as words."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {held}" for name, held in value.items())
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    try:
        number = float(value)
    except (TypeError, ValueError):
        return "" if value is None else str(value)
    return str(value) if number.is_integer() else f"{number:.4g}"
