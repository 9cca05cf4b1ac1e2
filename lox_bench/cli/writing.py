"""Tables and texts to the terminal or to a file, in the form that was asked."""

import io
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.text import Text

from lox_bench import files
from lox_bench.cli.grid import Grid
from lox_bench.errors import StoreError
from lox_bench.results.text_table import TextTable, markdown

_FILE_WIDTH = 200  # columns of a table written to a file


class Format(StrEnum):
    """How tables are written."""

    TABLE = "table"
    CSV = "csv"
    MARKDOWN = "markdown"
    LATEX = "latex"


def format_of(asked: Format | None, out: Path | None) -> Format:
    """What was asked for, else what the file's name says, else a table."""
    suffixes = {".csv": Format.CSV, ".md": Format.MARKDOWN, ".tex": Format.LATEX}
    return asked or suffixes.get(out.suffix if out else "", Format.TABLE)


def write(text: str, out: Path | None) -> None:
    """Write text to a file, or to standard output.

    Raises:
        StoreError: the file cannot be written.
    """
    if out is None:
        sys.stdout.write(text)
        return
    try:
        files.write_text(out, text)
    except OSError as error:
        raise StoreError(f"--out {out} cannot be written ({error.strerror})") from error


def write_tables(tables: Sequence[TextTable], out: Path | None, form: Format) -> None:
    """Write tables as markdown, as LaTeX, or as the terminal shows them."""
    if form is Format.MARKDOWN:
        write("\n".join(markdown(table) for table in tables), out)
        return
    if form is Format.LATEX:
        from lox_bench.report.latex import label_of, latex

        write("\n".join(latex(table, label_of(table.title)) for table in tables), out)
        return
    text = io.StringIO()
    console = Console() if out is None else Console(file=text, width=_FILE_WIDTH)
    for table in tables:
        console.print(rich_table(table))
    if out is not None:
        write(text.getvalue(), out)


def rich_table(table: TextTable) -> RenderableType:
    """The table for a terminal, in parts where it is grouped; nothing in it is read as markup."""
    if table.group is None:
        grid = [Grid(table.head, table.rows, table.numbers)] if table.rows else []
        return Group(*_titled(table), *grid, *_noted(table))
    at = table.group
    numbers = None if table.numbers is None else table.numbers - (at < table.numbers)
    head = _without(table.head, at)
    parts: list[RenderableType] = []
    for name in dict.fromkeys(row[at] for row in table.rows):
        rows = [_without(row, at) for row in table.rows if row[at] == name]
        parts += [Text(f"\n{name}", style="bold"), Grid(head, rows, numbers)]
    return Group(*_titled(table), *parts, *_noted(table))


def _without(row: Sequence[str], column: int) -> tuple[str, ...]:
    return (*row[:column], *row[column + 1 :])


def _titled(table: TextTable) -> list[RenderableType]:
    return [Text(table.title, style="italic")] if table.title else []


def _noted(table: TextTable) -> list[RenderableType]:
    return [Text("\n" * bool(table.rows) + table.note, style="dim")] if table.note else []
