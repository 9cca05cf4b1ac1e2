"""What a comparison of this size could have shown: exact power of McNemar's test."""

from functools import lru_cache
from math import nan

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binom

from lox_bench.stats.intervals import CONFIDENCE
from lox_bench.stats.paired import effective_prompts
from lox_bench.stats.pairs import Pairs

POWER = 0.8


def smallest_detectable(pairs: Pairs, *, power: float = POWER) -> float:
    """Smallest true difference that McNemar's test at 5 % would have found with this ``power``.

    The prompts on which the models disagree both ways are taken as they were seen; the difference
    comes on top of them. Seeds count by ``effective_prompts``. NaN: none could have been found.
    """
    if pairs.n == 0:
        return nan
    size = effective_prompts(pairs)
    churn = min(float(pairs.only_a.mean()), float(pairs.only_b.mean()))
    return detectable(round(size), round(churn, 4), power=power)


@lru_cache(maxsize=4096)
def detectable(n: int, churn: float, *, power: float = POWER) -> float:
    """Smallest difference found with ``power`` among ``n`` pairs; NaN where none is.

    Args:
        n: pairs of single answers.
        churn: share of pairs discordant in the less frequent direction, in [0, 0.5).
        power: chance of a two-sided p below 0.05.
    """
    most = 1 - 2 * churn

    def lacking(delta: float) -> float:
        return mcnemar_power(n, churn + delta, churn) - power

    if n == 0 or most <= 0 or lacking(most) < 0:
        return nan
    return float(brentq(lacking, 0.0, most, xtol=1e-5))


def mcnemar_power(n: int, only_b: float, only_a: float) -> float:
    """Chance that the exact two-sided test on ``n`` pairs rejects at 5 %.

    Args:
        n: pairs.
        only_b: probability that only ``b`` is a hit.
        only_a: probability that only ``a`` is; the two sum to at most 1.
    """
    either = only_a + only_b
    if either <= 0:
        return 0.0
    discordant = np.arange(n + 1)
    alpha = 1 - CONFIDENCE
    limit = binom.ppf(alpha / 2, discordant, 0.5)  # the largest count that still rejects
    limit = np.where(binom.cdf(limit, discordant, 0.5) > alpha / 2, limit - 1, limit)
    share = only_b / either
    rejected = binom.cdf(limit, discordant, share) + binom.sf(
        discordant - limit - 1, discordant, share
    )
    return float(np.sum(binom.pmf(discordant, n, min(either, 1.0)) * rejected))
