"""The paired difference of two models with its interval: score (the default) or cluster bootstrap.

Seeds of one prompt are correlated, so the score interval is Tango's at an *effective* number of
prompts: n divided by the ratio of the variance seen between prompts to the one that independent
single answers would have. This is the design-effect device of clustered surveys (Kish 1965; for
matched pairs Eliasziw and Donner 1991, Yang, Sun and Hardin 2012). With one seed the ratio is
exactly one and the interval is exactly Tango's. ``docs/simulations.md`` shows its coverage.
"""

from typing import Literal

import numpy as np

from lox_bench.stats.intervals import CONFIDENCE
from lox_bench.stats.pairs import Pairs
from lox_bench.stats.score import tango

Method = Literal["score", "bootstrap"]
METHODS: tuple[Method, ...] = ("score", "bootstrap")

_PRIOR = 0.5  # prompts' worth of full correlation between seeds, so that rare events stay honest
_RESAMPLES = 9_999
_FEWEST = 2  # prompts a bootstrap needs


def interval(
    pairs: Pairs, *, confidence: float = CONFIDENCE, method: Method = "score"
) -> tuple[float, float]:
    """Interval of the difference over prompts like these, for the seeds at hand."""
    if method == "bootstrap":
        return bootstrap(pairs, confidence=confidence)
    size = effective_prompts(pairs)
    if size == 0:
        return -1.0, 1.0
    return tango(
        size * float(pairs.only_b.mean()),
        size * float(pairs.only_a.mean()),
        size,
        confidence=confidence,
    )


def effective_prompts(pairs: Pairs) -> float:
    """How many single-seed prompts carry as much information; between n and n times seeds.

    The ratio of variances is shrunk towards full correlation by half a prompt's worth: with few
    discordant prompts it cannot be estimated, and more seeds then count for nothing.
    """
    if pairs.n == 0:
        return 0.0
    centre = pairs.n * pairs.delta**2
    between = float(np.sum(pairs.differences**2)) - centre
    single = float(np.sum(pairs.only_a + pairs.only_b)) - centre
    ratio = (between + _PRIOR) / (single + _PRIOR)
    return pairs.n / min(1.0, max(ratio, 1.0 / max(pairs.seeds, 1)))


def bootstrap(
    pairs: Pairs, *, confidence: float = CONFIDENCE, resamples: int = _RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Cluster bootstrap over prompts, all seeds of a prompt together; BCa (Efron 1987), by scipy.

    Where every prompt shows the same difference there is nothing to resample and the interval has
    no width; below some ten discordant prompts it is too narrow. ``score`` has neither flaw.
    """
    from scipy import stats

    values = pairs.differences
    if pairs.n < _FEWEST:
        return -1.0, 1.0
    if np.ptp(values) == 0:
        return pairs.delta, pairs.delta
    found = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=resamples,
        confidence_level=confidence,
        method="BCa",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(found.low), float(found.high)
