"""Where rows come from, and which columns a format string wants."""

from dataclasses import dataclass, field
from string import Formatter

from lox_bench.engine.stage import LATER
from lox_bench.ranges import Tokens


@dataclass(frozen=True, slots=True)
class DataSpec:
    """Where rows come from: a local file, else files on the hub, else a stand-in of ours.

    ``files`` is a pattern inside the hub's data set: parquet, JSON lines, or gzipped JSON lines.
    The stand-in is a file (``standin``), or a prompt set (``own_answers``) that the family's base
    answers itself, in at most ``answer_tokens`` tokens. Of a file that has the column ``where``,
    those rows are taken that hold one of ``among`` there, whatever their case.
    """

    hub: str = ""
    files: str = ""
    revision: str = "main"
    file: str = ""
    standin: str = ""
    own_answers: str = ""
    answer_tokens: Tokens = 96
    where: str = field(default="", metadata=LATER)
    among: tuple[str, ...] = field(default=(), metadata=LATER)


def columns_of(template: str) -> list[str]:
    """Names of the ``{columns}`` a format string uses."""
    return [name for _, name, _, _ in Formatter().parse(template) if name]
