"""Intervals for one proportion, and for one mean."""

from collections.abc import Sequence
from math import nan, sqrt

from scipy.stats import binomtest, sem, t

CONFIDENCE = 0.95


def wilson(successes: int, n: int, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson score interval (Wilson 1927), as scipy computes it.

    Args:
        successes: between 0 and ``n``.
        n: trials; 0 gives the uninformative interval (0, 1).
        confidence: coverage wanted, in (0, 1).
    """
    return _interval(successes, n, confidence, "wilson")


def clopper_pearson(
    successes: int, n: int, *, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Exact interval (Clopper and Pearson 1934): never covers less than asked, so it is wider.

    Arguments as for ``wilson``.
    """
    return _interval(successes, n, confidence, "exact")


def _interval(successes: int, n: int, confidence: float, method: str) -> tuple[float, float]:
    if n == 0:
        return 0.0, 1.0
    interval = binomtest(successes, n).proportion_ci(confidence_level=confidence, method=method)
    return float(interval.low), float(interval.high)


def mean_interval(
    values: Sequence[float], low: float, high: float, *, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Student's t interval for the mean of scores on the scale ``low..high``, cut to that scale.

    Fewer than two values say nothing of their spread: the interval is the scale.
    """
    if len(values) < 2:  # noqa: PLR2004 - what a variance takes
        return low, high
    mean = sum(values) / len(values)
    half = float(t.ppf((1 + confidence) / 2, len(values) - 1) * sem(values))
    return max(low, mean - half), min(high, mean + half)


def ratio_interval(
    totals: Sequence[float], sizes: Sequence[float], *, confidence: float = CONFIDENCE
) -> tuple[float, float, float]:
    """``sum(totals) / sum(sizes)`` over independent items, and its interval.

    Linearised (the ratio estimator of surveys), with Student's quantile; one item says nothing of
    the spread: both bounds are then NaN.
    """
    count, size = len(totals), sum(sizes)
    ratio = sum(totals) / size
    if count < 2:  # noqa: PLR2004 - what a variance takes
        return ratio, nan, nan
    errors = sum((a - ratio * b) ** 2 for a, b in zip(totals, sizes, strict=True))
    spread = sqrt(count / (count - 1) * errors) / size
    half = float(t.ppf((1 + confidence) / 2, count - 1)) * spread
    return ratio, ratio - half, ratio + half
