"""Rates of prompts that were answered several times: answers of one prompt are no new prompts."""

from collections.abc import Sequence
from dataclasses import dataclass

from lox_bench.stats.intervals import CONFIDENCE
from lox_bench.stats.rates import rate
from lox_bench.types import Rate


@dataclass(frozen=True, slots=True)
class Cluster:
    """The answers to one prompt: ``hits`` of ``n`` judged ones count, ``unjudged`` are the rest."""

    hits: int
    n: int
    unjudged: int = 0


def mean_rate(clusters: Sequence[Cluster]) -> Rate:
    """Share of all judged answers that count, with an interval that knows of prompts.

    Wilson's, for as many answers as the judged ones are worth: their number over the design effect
    (the variance of the share between prompts over that of independent answers; Kish 1965), never
    more than there are. Where all answers agree, that effect is not known, and each prompt is
    worth one.

    Returns:
        A rate without ``hits``: it is no share of independent answers, and no test takes it so.
    """
    from statsmodels.stats.proportion import proportion_confint

    held = [cluster for cluster in clusters if cluster.n]
    n, unjudged = sum(c.n for c in held), sum(c.unjudged for c in clusters)
    if not n:
        return Rate(float("nan"), 0.0, 1.0, 0, unjudged)
    value = sum(c.hits for c in held) / n
    worth = _worth(held, value, n)
    low, high = proportion_confint(value * worth, worth, alpha=1 - CONFIDENCE, method="wilson")
    return Rate(value, float(low), float(high), n, unjudged)


def any_rate(clusters: Sequence[Cluster]) -> Rate:
    """Share of prompts with at least one answer that counts, with Wilson's interval.

    A prompt without one, of which not all answers were judged, is unjudged.
    """
    hits = sum(c.hits > 0 for c in clusters)
    open_ones = sum(not c.hits and (c.unjudged > 0 or not c.n) for c in clusters)
    return rate(hits, len(clusters) - open_ones, open_ones)


def _worth(held: Sequence[Cluster], value: float, n: int) -> float:
    """Independent answers that the judged ones are worth, between 1 and ``n``."""
    prompts = len(held)
    if prompts == 1 or value in {0.0, 1.0}:
        return float(prompts)
    between = sum((c.hits - value * c.n) ** 2 for c in held) / n**2 * prompts / (prompts - 1)
    return min(float(n), max(1.0, value * (1 - value) / between)) if between else float(n)
