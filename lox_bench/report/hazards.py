"""The table of rates by hazard: model by model, a line a hazard."""

from collections.abc import Sequence

from lox_bench.report.transcripts import HAZARDS
from lox_bench.results.hazards import HazardRate
from lox_bench.results.metrics import title_of
from lox_bench.results.text_table import TextTable, share

_NOTE = (
    "Of several seeds: their mean and the hull of their intervals, hits of all. Few prompts a "
    "hazard make wide intervals, and of many hazards one is always the highest."
)


def hazard_tables(rates: Sequence[HazardRate]) -> list[TextTable]:
    """One table for each task, judge and metric."""
    groups = dict.fromkeys((item.task, item.judge, item.metric) for item in rates)
    return [
        _table(name, [item for item in rates if (item.task, item.judge, item.metric) == name])
        for name in groups
    ]


def _table(name: tuple[str, str, str], rates: Sequence[HazardRate]) -> TextTable:
    task, judge, metric = name
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
    title = f"{title_of(metric)} on {task} by {judge}"
    head = ("model", "hazard", "rate", "95 %", "hits", "prompts")
    return TextTable(title, head, rows, _NOTE, group=0)
