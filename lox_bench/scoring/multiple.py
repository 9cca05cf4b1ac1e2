"""Correct a family of tests for their number."""

from collections.abc import Sequence

from lox_bench.scoring.intervals import CONFIDENCE


def holm(ps: Sequence[float]) -> list[float]:
    """Step-down adjusted p values (Holm 1979), in the order given, as statsmodels computes them."""
    if not ps:
        return []
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in multipletests(ps, alpha=1 - CONFIDENCE, method="holm")[1]]
