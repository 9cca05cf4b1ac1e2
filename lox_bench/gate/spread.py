"""How much a metric changes from seed to seed: as a bound says, else as the reference shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, sqrt

from lox_bench.gate.bounds import Bound
from lox_bench.gate.reference import Reference
from lox_bench.results.row import Row
from lox_bench.stats.seeds import seed_spread

_FEWEST = 2


@dataclass(frozen=True, slots=True)
class Spread:
    """A standard deviation from seed to seed, as a share, and where it is known from."""

    sd: float
    source: str


def spread_of(bound: Bound, reference: Reference) -> Spread:
    """The spread that a bound's metric is judged with; 0 where nobody knows it.

    Never the run's own: a method that varies more than others must not thereby pass.
    """
    if bound.seed_sd > 0:
        return Spread(bound.seed_sd, "the bound's seed_sd")
    found = _of_outcomes(reference, bound.metric) or _of_rates(reference, bound.metric)
    if found:
        mean = sqrt(sum(variance for variance in found) / len(found))
        return Spread(mean, f"{len(found)} rows of the reference, pooled over its seeds")
    return Spread(0.0, "")


def _of_outcomes(reference: Reference, metric: str) -> list[float]:
    """Variance components beyond the coin flips of single answers, row by row."""
    held = (reference.outcomes or {}).items()
    spreads = [
        seed_spread(hits).sd_excess
        for name, hits in held
        if name.measure.metric == metric and len(hits) >= _FEWEST
    ]
    return [spread**2 for spread in spreads if not isnan(spread)]


def _of_rates(reference: Reference, metric: str) -> list[float]:
    """The same from rates alone: what is left of their variance after the coin flips."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in reference.rows:
        if row.metric == metric and row.n:
            key = (row.model, row.attack, row.task, row.judge)
            groups.setdefault(key, []).append(row)
    return [_excess(rows) for rows in groups.values() if len(rows) >= _FEWEST]


def _excess(rows: Sequence[Row]) -> float:
    rates = [row.value for row in rows]
    mean = sum(rates) / len(rates)
    seen = sum((rate - mean) ** 2 for rate in rates) / (len(rates) - 1)
    noise = sum(mean * (1 - mean) / row.n for row in rows) / len(rows)
    return max(seen - noise, 0.0)
