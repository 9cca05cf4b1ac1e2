"""Tables and texts to the terminal or to a file, in the form that was asked."""

import io
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lox_bench import store
from lox_bench.errors import StoreError
from lox_bench.report.text_table import TextTable, markdown

_FILE_WIDTH = 200  # columns of a table written to a file


class Format(StrEnum):
    """How tables are written."""

    TABLE = "table"
    CSV = "csv"
    MARKDOWN = "markdown"


def format_of(asked: Format | None, out: Path | None) -> Format:
    """What was asked for, else what the file's name says, else a table."""
    suffixes = {".csv": Format.CSV, ".md": Format.MARKDOWN}
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
        store.write_text(out, text)
    except OSError as error:
        raise StoreError(f"--out {out} cannot be written ({error.strerror})") from error


def write_tables(tables: Sequence[TextTable], out: Path | None, form: Format) -> None:
    """Write tables as markdown, or as the terminal shows them."""
    if form is Format.MARKDOWN:
        write("\n".join(markdown(table) for table in tables), out)
        return
    text = io.StringIO()
    console = Console() if out is None else Console(file=text, width=_FILE_WIDTH)
    for table in tables:
        console.print(rich_table(table))
    if out is not None:
        write(text.getvalue(), out)


def rich_table(table: TextTable) -> Table:
    """The table for a terminal; nothing in it is read as markup."""
    shown = Table(
        title=escape(table.title),
        caption=escape(table.note) or None,
        caption_justify="left",
        title_justify="left",
    )
    for name in table.head:
        shown.add_column(escape(name), overflow="fold")
    for row in table.rows:
        shown.add_row(*map(escape, row))
    return shown
