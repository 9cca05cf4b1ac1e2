"""One rate of several seeds: the only place where seeds are averaged.

Every seed counts the same, however many of its answers were judged. Seeds answered the same
prompts, so that they never count as more prompts: the interval is the hull of the seeds' own. It
holds the interval that the mean would have on the prompts of one seed, and it grows as the seeds
fall apart; the range from the lowest seed to the highest, which knows of no prompt noise, stands
beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from lox_bench.stats.rates import MIN_COVERAGE, worst_case
from lox_bench.types import Rate


@dataclass(frozen=True, slots=True)
class Pooled:
    """The rates of one or several seeds as one.

    Attributes:
        value: mean over the seeds with a judged answer; NaN without any.
        low: lowest bound of a seed's interval. ``high``: the highest; 0 and 1 without any.
        n: judged answers of all seeds. ``unjudged``: the others.
        coverage: judged share in the seed that was judged least; NaN without any answer.
        seeds: value of each seed with a judged answer, in the order given.
        bounds: mean over seeds of what the share could be whatever the unjudged were (Manski
            1989); ``None`` where a value is no share.
    """

    value: float
    low: float
    high: float
    n: int
    unjudged: int
    coverage: float
    seeds: tuple[float, ...]
    bounds: tuple[float, float] | None

    @property
    def lowest(self) -> float:
        """Value of the lowest seed; NaN without any."""
        return min(self.seeds, default=float("nan"))

    @property
    def highest(self) -> float:
        """Value of the highest seed; NaN without any."""
        return max(self.seeds, default=float("nan"))

    @property
    def spread(self) -> tuple[float, float] | None:
        """Lowest and highest seed, of several."""
        return (self.lowest, self.highest) if len(self.seeds) > 1 else None

    @property
    def judged(self) -> float:
        """Judged share of the answers of all seeds, in [0, 1]; NaN without any."""
        asked = self.n + self.unjudged
        return self.n / asked if asked else float("nan")

    @property
    def trials(self) -> float:
        """Judged answers a seed, on average: as one sample, the seeds are worth no more."""
        return self.n / len(self.seeds) if self.seeds else 0.0

    @property
    def is_thin(self) -> bool:
        """Whether in some seed too few answers were judged for the rate to stand by itself."""
        return self.coverage < MIN_COVERAGE


def pool(rates: Sequence[Rate]) -> Pooled:
    """Pool the rates of the seeds of one thing; at least one."""
    held = [rate for rate in rates if rate.n]
    values = tuple(rate.value for rate in held)
    return Pooled(
        value=fmean(values) if values else float("nan"),
        low=min((rate.low for rate in held), default=0.0),
        high=max((rate.high for rate in held), default=1.0),
        n=sum(rate.n for rate in rates),
        unjudged=sum(rate.unjudged for rate in rates),
        coverage=min((r.coverage for r in rates if r.n + r.unjudged), default=float("nan")),
        seeds=values,
        bounds=_bounds(rates),
    )


def _bounds(rates: Sequence[Rate]) -> tuple[float, float] | None:
    each = [worst_case(r.hits, r.n, r.unjudged) for r in rates if r.hits is not None]
    if len(each) < len(rates):
        return None
    return fmean(low for low, _ in each), fmean(high for _, high in each)
