"""A table of plain texts that fits the terminal: no word is cut while there is another way.

Every column is at least as wide as its longest word. Where that is more than the terminal has,
long words are broken where their parts meet, the first column's last; where that is too much as
well, columns with long texts leave the table, and stand below it as numbered notes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderResult
from rich.table import Table
from rich.text import Text

from lox_bench.cli.folding import LEVELS, Folding, narrowest

_BETWEEN: Final = 2  # blanks between columns, and the edges together
_LEAST: Final = 3  # columns that stay, whatever the width

Rows = Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Grid:
    """The head and rows of a table; columns in which nothing stands are left out."""

    head: Sequence[str]
    rows: Rows
    numbers: int | None = None  # columns from here on are numbers: they stand to the right

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The table at the width there is."""
        used = [i for i in range(len(self.head)) if any(row[i] for row in self.rows)]
        head = [self.head[i] for i in used]
        first = len(self.head) if self.numbers is None else self.numbers
        right = [i >= first for i in used]
        rows = [[row[i] for i in used] for row in self.rows]
        noted: dict[str, dict[str, int]] = {}
        room = options.max_width
        while _total(_least(head, rows, LEVELS - 1)) > room and len(head) - len(noted) >= _LEAST:
            widest = _longest([row[: len(row) - len(noted)] for row in rows])
            name = head.pop(widest)
            notes = noted.setdefault(name, {})
            right.append(right.pop(widest))
            for row in rows:
                text = row.pop(widest)
                row.append(str(notes.setdefault(text, len(notes) + 1)) if text else "")
            head.append(name)
        yield _table(head, rows, right, room)
        for name, notes in noted.items():
            for text, number in notes.items():
                yield Text(f" {name} {number}: {text}")


def _table(head: Sequence[str], rows: Rows, right: Sequence[bool], room: int) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    widths = _widths(head, rows, room)
    for name, width, number in zip(head, widths, right, strict=True):
        justify: JustifyMethod = "right" if number else "left"
        table.add_column(Folding(name), width=width, overflow="fold", justify=justify)
    for row in rows:
        table.add_row(*map(Folding, row))
    return table


def _widths(head: Sequence[str], rows: Rows, room: int) -> list[int | None]:
    """What each column gets; nothing in particular where even the longest words do not fit."""
    most = _most(head, rows)
    if _total(most) <= room:
        return list(most)
    least = _breaking(head, rows, room)
    if _total(least) > room:
        return [None] * len(head)
    spare = room - _total(least)
    wants = [b - a for a, b in zip(least, most, strict=True)]
    shares = [spare * want // max(1, sum(wants)) for want in wants]
    return [a + min(want, share) for a, want, share in zip(least, wants, shares, strict=True)]


def _breaking(head: Sequence[str], rows: Rows, room: int) -> list[int]:
    """The least of each column, names broken only where there is no other way."""
    steps = [_least(head, rows, level) for level in range(LEVELS)]
    now = list(steps[0])
    for step in steps[1:]:
        gains = [now[i] - step[i] for i in range(len(now))]
        for i in sorted(range(len(now)), key=lambda i: (i == 0, -gains[i])):
            if _total(now) > room:
                now[i] = step[i]
    return now


def _least(head: Sequence[str], rows: Rows, level: int) -> list[int]:
    return [
        max(narrowest(cell, level) for cell in column) for column in zip(head, *rows, strict=True)
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
