"""Intervals for one proportion, and for one mean."""

from collections.abc import Sequence

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
