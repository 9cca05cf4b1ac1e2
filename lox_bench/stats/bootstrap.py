"""Bootstrap intervals for statistics of sums, drawn by cluster.

Answers to one prompt (from several models, attacks and seeds) are not independent, so whole
prompts are drawn with all their answers (the cluster bootstrap; Davison and Hinkley 1997, 3.8).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lox_bench.stats.agreement import Floats
from lox_bench.stats.intervals import CONFIDENCE

RESAMPLES = 2000
_SEED = 0  # the same data give the same interval, always
_FEWEST = 2  # clusters below which nothing can be drawn


@dataclass(frozen=True, slots=True)
class Estimate:
    """A statistic with its interval (NaN where undefined) and the number of units behind it."""

    value: float
    low: float
    high: float
    n: int


def bootstrap(
    units: Floats, clusters: Sequence[str], statistic: Callable[[Floats], Floats], n: int
) -> Estimate:
    """A statistic of summed units with its percentile bootstrap interval at 95 %.

    Resamples in which the statistic is undefined are left out. With perfect agreement every
    resample agrees, and the interval has no width: read ``n`` beside it.

    Args:
        units: ``(units, s)`` additive statistics.
        clusters: ``units`` names; units of one name are drawn together.
        statistic: ``(..., s)`` sums to ``(...)`` values, NaN where undefined.
        n: what to state as the number of units.
    """
    names = sorted(set(clusters))
    places = {name: index for index, name in enumerate(names)}
    sums = np.zeros((len(names), units.shape[1]))
    np.add.at(sums, [places[name] for name in clusters], units)
    value = float(statistic(sums.sum(axis=0)))
    if len(names) < _FEWEST or not np.isfinite(value):
        return Estimate(value, float("nan"), float("nan"), n)
    rng = np.random.default_rng(_SEED)
    weights = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=RESAMPLES)
    drawn = statistic(weights @ sums)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(drawn, [tail, 1 - tail])
    return Estimate(value, float(low), float(high), n)
