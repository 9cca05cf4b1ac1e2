"""From matrices to means: over all linear layers, as in the paper, and by projection type."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lox_bench.diagnostics.measures import MatrixReport

LINEAR = "linear layers"
MEASURES = (
    "r_align",
    "r_ft",
    "r_ratio",
    "energy_k",
    "stable_rank",
    "participation_ratio",
    "entropy_rank",
    "rank_90",
    "relative_delta",
    "relative_step",
    "cosine",
    "overlap_left",
    "overlap_right",
    "overlap_chance",
    "bf16_unchanged",
)


@dataclass(frozen=True, slots=True)
class Mean:
    """A measure averaged over ``n`` matrices of a group, with its spread and its extremes."""

    group: str
    measure: str
    mean: float
    sd: float
    lowest: float
    highest: float
    n: int


def summarise(reports: Sequence[MatrixReport]) -> list[Mean]:
    """Means over the linear layers of the blocks, then over each projection type."""
    linear = [report for report in reports if report.is_linear]
    groups = {LINEAR: linear}
    for report in reports:
        groups.setdefault(report.projection, []).append(report)
    found = []
    for group, held in groups.items():
        for measure in MEASURES:
            values = list(_numbers(getattr(report, measure) for report in held))
            if values:
                found.append(_mean(group, measure, values))
    return found


def _mean(group: str, measure: str, values: Sequence[float]) -> Mean:
    return Mean(
        group=group,
        measure=measure,
        mean=statistics.fmean(values),
        sd=statistics.stdev(values) if len(values) > 1 else 0.0,
        lowest=min(values),
        highest=max(values),
        n=len(values),
    )


def _numbers(values: Iterable[float | None]) -> Iterable[float]:
    return (float(value) for value in values if value is not None and not math.isnan(value))
