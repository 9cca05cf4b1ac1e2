"""Numbers that others have published, kept with their source, to stand beside one's own.

They are context, not references for ``check``: prompts, judge and attack data were the authors'.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True, slots=True)
class Published:
    """One published rate.

    Attributes:
        counterpart: what one's own run calls that model where its settings are the default ones.
        value: a share, in [0, 1].
        source: the publication.
        read_from: what it was copied from: the publication itself, or notes that quote it.
    """

    family: str
    model: str
    counterpart: str
    attack: str
    metric: str
    value: float
    source: str
    read_from: str


def published(family: str) -> list[Published]:
    """Everything published about a family, in file order; empty for families nobody wrote about."""
    return [item for item in _all() if item.family == family]


def _all() -> Iterator[Published]:
    folder = resources.files("lox_bench.assets.results") / "published"
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        for line in csv.DictReader(file.read_text(encoding="utf-8").splitlines()):
            value = float(line.pop("value"))
            yield Published(value=value, **line)
