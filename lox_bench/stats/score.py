"""Score intervals: for a paired difference (Tango 1998), and for two independent rates.

They keep their width where a bootstrap or a Wald interval collapses: with no discordant prompt at
all the paired one still reaches z²/(n + z²) to each side.
"""

from math import sqrt

from scipy.optimize import brentq
from scipy.stats import norm

from lox_bench.stats.intervals import CONFIDENCE

_EDGE = 1e-12  # the statistic is singular at a difference of exactly one


def tango(
    only_b: float, only_a: float, n: float, *, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Score interval for p(b) - p(a) of matched pairs (Tango, Stat. Med. 17:891, 1998).

    Args:
        only_b: pairs in which only ``b`` was a hit; need not be whole (an effective count).
        only_a: pairs in which only ``a`` was.
        n: all pairs; 0 gives the uninformative interval (-1, 1).
        confidence: coverage wanted, in (0, 1).
    """
    if n <= 0:
        return -1.0, 1.0
    z = float(norm.isf((1 - confidence) / 2))
    ends = (-1 + _EDGE, 1 - _EDGE)

    def excess(delta: float, target: float) -> float:
        return _statistic(delta, only_b, only_a, n) - target

    low = -1.0 if excess(ends[0], z) <= 0 else brentq(excess, *ends, args=(z,))
    high = 1.0 if excess(ends[1], -z) >= 0 else brentq(excess, *ends, args=(-z,))
    return float(low), float(high)


def _statistic(delta: float, only_b: float, only_a: float, n: float) -> float:
    """Tango's z for a hypothetical difference; falls from plus to minus as ``delta`` grows."""
    free = delta * (1 - delta)
    linear = (2 * n - only_b + only_a) * delta - only_b - only_a
    root = sqrt(max(linear * linear + 8 * n * only_a * free, 0.0))
    nuisance = (root - linear) / (4 * n)  # p(only a) under the hypothesis, maximum likelihood
    variance = n * (2 * nuisance + free)
    distance = only_b - only_a - n * delta
    return distance / sqrt(max(variance, _EDGE * _EDGE))


def independent_interval(
    a: tuple[float, float], b: tuple[float, float], *, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Interval for p(b) - p(a) of independent samples from their Wilson intervals (Newcombe 1998).

    ``a`` and ``b`` are (hits, trials), as statsmodels takes them; they need not be whole.
    """
    from statsmodels.stats.proportion import confint_proportions_2indep

    low, high = confint_proportions_2indep(
        *b, *a, method="newcomb", compare="diff", alpha=1 - confidence
    )
    return float(low), float(high)


def independent_p(a: tuple[float, float], b: tuple[float, float], *, larger: bool) -> float:
    """One-sided p of the score test (pooled z) that p(b) exceeds p(a), or falls below it."""
    from statsmodels.stats.proportion import proportions_ztest

    hits, trials = a[0] + b[0], a[1] + b[1]
    if hits in (0, trials):
        return 1.0  # equal at the edge, where the statistic is 0/0
    _, p = proportions_ztest(
        (b[0], a[0]), (b[1], a[1]), alternative="larger" if larger else "smaller"
    )
    return float(p)
