"""The rates by hazard: as tables for terminal and files, and as a grid for the page."""

from collections.abc import Sequence
from dataclasses import dataclass

from lox_bench.report.transcripts import HAZARDS
from lox_bench.results.hazards import HazardRate
from lox_bench.results.metrics import title_of
from lox_bench.results.text_table import TextTable, share

NOTE = (
    "Of several seeds: their mean and the hull of their intervals, hits of all. Few prompts a "
    "hazard make wide intervals, and of many hazards one is always the highest."
)


@dataclass(frozen=True, slots=True)
class Grid:
    """One task, judge and metric: a line a model, a cell a hazard; ``None``: none was asked."""

    title: str
    metric: str
    hazards: tuple[str, ...]
    lines: tuple[tuple[str, tuple[HazardRate | None, ...]], ...]


def hazard_grids(rates: Sequence[HazardRate]) -> list[Grid]:
    """The same rates as ``hazard_tables``, model by hazard."""
    groups = dict.fromkeys((item.task, item.judge, item.metric) for item in rates)
    return [
        _grid(name, [item for item in rates if (item.task, item.judge, item.metric) == name])
        for name in groups
    ]


def hazard_tables(rates: Sequence[HazardRate]) -> list[TextTable]:
    """One table for each task, judge and metric."""
    groups = dict.fromkeys((item.task, item.judge, item.metric) for item in rates)
    return [
        _table(name, [item for item in rates if (item.task, item.judge, item.metric) == name])
        for name in groups
    ]


def _grid(name: tuple[str, str, str], rates: Sequence[HazardRate]) -> Grid:
    held = {(item.title, item.hazard): item for item in rates}
    hazards = tuple(dict.fromkeys(item.hazard for item in rates))
    models = dict.fromkeys(item.title for item in rates)
    lines = tuple(
        (model, tuple(held.get((model, hazard)) for hazard in hazards)) for model in models
    )
    return Grid(_title(name), name[2], tuple(HAZARDS.get(h, h) for h in hazards), lines)


def _title(name: tuple[str, str, str]) -> str:
    task, judge, metric = name
    return f"{title_of(metric)} on {task} by {judge}"


def _table(name: tuple[str, str, str], rates: Sequence[HazardRate]) -> TextTable:
    rows = tuple(
        (
            item.title,
            HAZARDS.get(item.hazard, item.hazard),
            share(item.value),
            f"{share(item.ci_low)} to {share(item.ci_high)}" if item.n else "",
            f"{item.hits}/{item.n}",
            str(item.prompts),
        )
        for item in rates
    )
    head = ("model", "hazard", "rate", "95 %", "hits", "prompts")
    return TextTable(_title(name), head, rows, NOTE, group=0)
