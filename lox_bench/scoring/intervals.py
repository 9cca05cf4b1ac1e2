"""Intervals for one proportion."""

from scipy.stats import binomtest

CONFIDENCE = 0.95


def wilson(successes: int, n: int, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson score interval (Wilson 1927), as scipy computes it.

    Args:
        successes: between 0 and ``n``.
        n: trials; 0 gives the uninformative interval (0, 1).
        confidence: coverage wanted, in (0, 1).
    """
    if n == 0:
        return 0.0, 1.0
    interval = binomtest(successes, n).proportion_ci(confidence_level=confidence, method="wilson")
    return float(interval.low), float(interval.high)
