"""How much a rate changes from seed to seed, apart from the noise of having few prompts."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan, sqrt

import numpy as np

from lox_bench.stats.pairs import Hits, Pairs, Vector
from lox_bench.stats.pool import Pooled, pool
from lox_bench.stats.rates import rate

_FEWEST = 2


@dataclass(frozen=True, slots=True)
class SeedSpread:
    """Two sources of uncertainty of one rate, each as a standard deviation of the *mean* or a seed.

    Attributes:
        pooled: the seeds as one, each by its rate on the prompts judged under every seed: rates of
            different prompts would differ for that reason alone.
        sd_seeds: standard deviation of those rates, as seen; NaN with one seed.
        sd_excess: what is left of it beyond the coin flips of single answers (variance component
            of the seed in a two-way layout prompts x seeds, at least 0; NaN with one seed).
        se_prompts: standard error of the mean rate from drawing this many prompts, seeds fixed.
        p_seeds: Cochran's Q (1950), p of no difference between seeds; NaN with one seed.
        n: prompts judged under every seed.
    """

    pooled: Pooled
    sd_seeds: float
    sd_excess: float
    se_prompts: float
    p_seeds: float
    n: int

    @property
    def rates(self) -> tuple[float, ...]:
        """One per seed; empty without a common prompt."""
        return self.pooled.seeds

    @property
    def mean(self) -> float:
        """Mean over seeds."""
        return self.pooled.value


def seed_spread(hits: Hits) -> SeedSpread:
    """Split the variation of one model's outcomes into seeds and prompts."""
    table = _complete(hits)
    n, seeds = table.shape
    pooled = pool([rate(int(hits), n) for hits in table.sum(axis=0)])
    if n < _FEWEST:
        return SeedSpread(pooled, nan, nan, nan, nan, n)
    rates = table.mean(axis=0)
    se_prompts = float(table.mean(axis=1).std(ddof=1)) / sqrt(n)
    if seeds < _FEWEST:
        return SeedSpread(pooled, nan, nan, se_prompts, nan, n)
    between = float(rates.var(ddof=1))
    residual = table - table.mean(axis=1, keepdims=True) - rates + table.mean()
    noise = float(np.sum(residual**2)) / ((n - 1) * (seeds - 1))
    return SeedSpread(
        pooled=pooled,
        sd_seeds=sqrt(between),
        sd_excess=sqrt(max(between - noise / n, 0.0)),
        se_prompts=se_prompts,
        p_seeds=_cochran(table),
        n=n,
    )


def seed_variance(pairs: Pairs) -> float:
    """Variance that seeds bring to a paired mean difference, beyond the coin flips of answers.

    The variance component of the seed in the layout prompts x seeds of single differences, at
    least 0, over the number of seeds; 0 where the sides have one seed or different ones. With two
    or three seeds it is a rough estimate.
    """
    seeds = len(pairs.by_seed)
    if seeds < _FEWEST or pairs.n < _FEWEST:
        return 0.0
    squares = pairs.only_a + pairs.only_b - pairs.differences**2
    within = float(squares.mean()) * seeds / (seeds - 1)
    between = float(np.nanvar(pairs.by_seed, ddof=1))
    component = (between - within / pairs.n) / (1 - 1 / pairs.n)
    return max(component, 0.0) / seeds


def _complete(hits: Hits) -> Vector:
    """Outcomes of the prompts judged under every seed; ``(n, seeds)`` of zeros and ones."""
    seeds: Sequence[int] = sorted(hits)
    prompts = hits[seeds[0]] if seeds else {}
    rows = [[hits[seed].get(prompt) for seed in seeds] for prompt in prompts]
    kept = [row for row in rows if None not in row]
    return np.array(kept, dtype=float).reshape(-1, max(len(seeds), 1))


def _cochran(table: Vector) -> float:
    from statsmodels.stats.contingency_tables import cochrans_q

    if np.all(table.std(axis=1) == 0):
        return 1.0  # the seeds agree on every prompt, where Q is 0/0
    return float(cochrans_q(table).pvalue)
