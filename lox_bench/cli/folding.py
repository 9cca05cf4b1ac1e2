"""Text in a narrow column: broken where its parts meet, never within a word."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.text import Text

# after a blank, comma, slash, equals sign, or a point or hyphen between words; before +word, (word
_JOINTS: Final = re.compile(
    r"(?<=[\s,/=])|(?<=[\w)])(?=[+(][a-z])|(?<=[a-z]-)(?=[a-z])|(?<=[a-z]\.)(?=[a-z])"
)


@dataclass(frozen=True, slots=True)
class Folding:
    """A cell of plain text, which says how narrow its column may become."""

    text: str

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """The widest part, and the widest line."""
        least = max(cell_len(part.rstrip()) for part in parts_of(self.text))
        most = max(map(cell_len, self.text.split("\n")))
        return Measurement(least, max(least, most)).with_maximum(options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """As many parts a line as fit."""
        lines = [part for line in self.text.split("\n") for part in _filled(line, options)]
        yield Text("\n".join(lines), overflow="fold")


def parts_of(text: str) -> list[str]:
    """What stays together: words, and the parts of names."""
    return [part for line in text.split("\n") for part in _JOINTS.split(line)]


def _filled(line: str, options: ConsoleOptions) -> Iterator[str]:
    held = ""
    for part in _JOINTS.split(line):
        if held and cell_len(held + part.rstrip()) > options.max_width:
            yield held.rstrip()
            held = ""
        held += part
    yield held.rstrip()
