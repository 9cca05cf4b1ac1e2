"""Text in a narrow column: broken where its parts meet, never within a word."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.text import Text

# numbers that are read together: a range, a change, a quantity with its unit
_TOGETHER: Final = (
    r"\(?[-+<]?\d[\w.,%]*(?: (?:(?:to|→) [-+]?\d[\w.,%]*|%|s|h|min|MB|GB|GiB|MiB)(?![\w]))+\)?"
)
# where a text may be broken, the most welcome place first
_JOINTS: Final[Sequence[re.Pattern[str]]] = (
    re.compile(rf"((?:{_TOGETHER}|[^\s])+[ \t]*|[ \t]+)"),  # between words
    # after a blank, comma or slash, a point or hyphen between words; before +word, (word, @word
    re.compile(
        r"(?<=[ \t,/])(?<!to )(?<!→ )(?!/)|(?<=[\w)])(?=[+(][a-z])|(?<=\w)(?=@\w)"
        r"|(?<=[a-z]-)(?=[a-z])|(?<=[a-z]\.)(?=[a-z])"
    ),
    re.compile(r"(?<=[ \t])|(?<==)(?!=)|(?<=\w-)(?=\w)"),  # within names of versions and sizes
)
LEVELS: Final = len(_JOINTS)


@dataclass(frozen=True, slots=True)
class Folding:
    """A cell of plain text, which says how narrow its column may become."""

    text: str

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """The widest part, and the widest line."""
        least = narrowest(self.text, LEVELS - 1)
        most = max(map(cell_len, self.text.split("\n")))
        return Measurement(least, max(least, most)).with_maximum(options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """As many parts a line as fit; what is indented stays so."""
        lines: list[str] = []
        for line in self.text.split("\n"):
            text = line.lstrip(" ")
            indent = " " * (len(line) - len(text))
            room = options.max_width - len(indent)
            lines += [indent + part for part in _filled(text, room, 0)]
        yield Text("\n".join(lines), overflow="fold")


def narrowest(text: str, level: int) -> int:
    """Columns that the text wants where it is broken at joints of this level, or before it."""
    return max(
        len(line) - len(line.lstrip(" ")) + max(map(_width, _split(line.lstrip(" "), level)))
        for line in text.split("\n")
    )


def _split(line: str, level: int) -> list[str]:
    parts = [line]
    for at in range(level + 1):
        parts = [piece for part in parts for piece in _pieces(part, at)]
    return parts or [""]


def _pieces(text: str, level: int) -> list[str]:
    return [piece for piece in _JOINTS[level].split(text) if piece]


def _filled(line: str, room: int, level: int) -> Iterator[str]:
    """The text in lines of at most ``room`` columns, if its words allow."""
    held = ""
    for piece in _pieces(line, level) if level < LEVELS else [line]:
        if _width(held + piece) <= room:
            held += piece
            continue
        if held:
            yield held.rstrip()
        *full, held = (
            _filled(piece, room, level + 1) if _width(piece) > room and level < LEVELS else [piece]
        )
        yield from full
    yield held.rstrip() if level == 0 else held


def _width(text: str) -> int:
    return cell_len(text.rstrip())
