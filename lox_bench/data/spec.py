"""Where rows come from, and which columns a format string wants."""

from dataclasses import dataclass
from string import Formatter


@dataclass(frozen=True, slots=True)
class DataSpec:
    """Where rows come from: a local JSONL file, else files on the hub, else a stand-in of ours.

    ``files`` is a pattern inside the hub's data set: parquet, JSON lines, or gzipped JSON lines.
    """

    hub: str = ""
    files: str = ""
    revision: str = "main"
    file: str = ""
    standin: str = ""


def columns_of(template: str) -> list[str]:
    """Names of the ``{columns}`` a format string uses."""
    return [name for _, name, _, _ in Formatter().parse(template) if name]
