"""The commands that the documentation shows: every line of every ``sh`` block."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Documented:
    """One command as it stands on a page; ``line`` counts from 1."""

    page: str
    line: int
    text: str

    @property
    def words(self) -> list[str]:
        """As a shell reads it, its comment left out."""
        return shlex.split(self.text, comments=True)

    @property
    def program(self) -> str:
        """The first word."""
        return self.words[0]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """Every page a user reads, by path: those at the root, docs/, examples/."""
    below = [page for folder in ("docs", "examples") for page in (ROOT / folder).rglob("*.md")]
    return sorted([*ROOT.glob("*.md"), *below])


def commands() -> list[Documented]:
    """All of them, page by page."""
    return [command for page in pages() for command in _of_page(page)]


def _of_page(page: Path) -> list[Documented]:
    text, found = page.read_text(encoding="utf-8"), []
    for block in _BLOCK.finditer(text):
        first = text.count("\n", 0, block.start(1)) + 1
        found += _lines(str(page.relative_to(ROOT)), first, block.group(1))
    return found


def _lines(page: str, first: int, block: str) -> list[Documented]:
    found, held = [], ""
    for number, line in enumerate(block.splitlines(), start=first):
        held += line.removesuffix("\\") if line.endswith("\\") else line
        if line.endswith("\\"):
            continue
        if shlex.split(held, comments=True):
            found.append(Documented(page, number, held.strip()))
        held = ""
    return found
