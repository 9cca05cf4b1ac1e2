"""A table of plain texts that fits the terminal: no word is cut while there is another way.

Every column is at least as wide as its longest word. Where that is more than the terminal has, the
column with the longest texts leaves the table, and stands below it as numbered notes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from lox_bench.cli.folding import Folding, parts_of

_BETWEEN: Final = 2  # blanks between columns, and the edges together
_LEAST: Final = 3  # columns that stay, whatever the width

Rows = Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Grid:
    """The head and rows of a table; columns in which nothing stands are left out."""

    head: Sequence[str]
    rows: Rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The table at the width there is."""
        used = [i for i in range(len(self.head)) if any(row[i] for row in self.rows)]
        head = [self.head[i] for i in used]
        rows = [[row[i] for i in used] for row in self.rows]
        notes: dict[str, int] = {}
        name = ""
        room = options.max_width
        if _total(_least(head, rows)) > room and len(head) > _LEAST:
            widest = _longest(rows)
            name = head.pop(widest)
            for row in rows:
                text = row.pop(widest)
                row.append(str(notes.setdefault(text, len(notes) + 1)) if text else "")
            head.append(name)
        yield _table(head, rows, room)
        for text, number in notes.items():
            yield Text(f" {name} {number}: {text}")


def _table(head: Sequence[str], rows: Rows, room: int) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name, width in zip(head, _widths(head, rows, room), strict=True):
        table.add_column(Folding(name), width=width, overflow="fold")
    for row in rows:
        table.add_row(*map(Folding, row))
    return table


def _widths(head: Sequence[str], rows: Rows, room: int) -> list[int | None]:
    """What each column gets; nothing in particular where even the longest words do not fit."""
    least, most = _least(head, rows), _most(head, rows)
    if _total(most) <= room:
        return list(most)
    if _total(least) > room:
        return [None] * len(head)
    spare = room - _total(least)
    wants = [b - a for a, b in zip(least, most, strict=True)]
    return [a + spare * want // sum(wants) for a, want in zip(least, wants, strict=True)]


def _least(head: Sequence[str], rows: Rows) -> list[int]:
    return [
        max(cell_len(part.rstrip()) for cell in column for part in parts_of(cell))
        for column in zip(head, *rows, strict=True)
    ]


def _most(head: Sequence[str], rows: Rows) -> list[int]:
    return [
        max(cell_len(line) for cell in column for line in cell.split("\n"))
        for column in zip(head, *rows, strict=True)
    ]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _BETWEEN * len(widths)


def _longest(rows: Rows) -> int:
    """The column with the longest texts on the whole."""
    sums = [sum(map(len, column)) for column in zip(*rows, strict=True)]
    return max(range(len(sums)), key=sums.__getitem__)
