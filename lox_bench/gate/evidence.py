"""How a run's rate differs from the reference's, and how sure that is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from scipy.optimize import brentq
from scipy.stats import norm

from lox_bench.results.row import Row
from lox_bench.stats.paired import effective_prompts, interval
from lox_bench.stats.pairs import Hits, Pairs, pair
from lox_bench.stats.pool import pool
from lox_bench.stats.score import independent_interval

PAIRED = "paired"
TWO_SAMPLE = "two-sample"
_SMALLEST_P, _LARGEST_P = 1e-9, 0.5

# two-sided confidence -> interval of the harm over prompts, seeds fixed
Interval = Callable[[float], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a difference: the margin, how sure, and the variance that seeds bring.

    ``lower``: whether a lower rate is better. ``seed_variance`` is that of the difference.
    """

    lower: bool
    margin: float
    confidence: float
    seed_variance: float = 0.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """The harm done: how far the run lies on the wrong side of the reference.

    Attributes:
        harm: difference of the rates, positive if worse, in [-1, 1].
        least, most: one-sided confidence bounds of it, seeds included.
        p: one-sided p of "the harm is at most the margin"; ``least`` lies above the margin exactly
            where it is below 1 - confidence. 1 where the harm seen is no larger than the margin.
        n: prompts; ``how``: paired by prompt, or two independent samples.
    """

    value: float
    reference: float
    harm: float
    least: float
    most: float
    p: float
    n: int
    how: str


def paired_evidence(pairs: Pairs, asked: Question) -> Evidence:
    """Both sides prompt by prompt (the run as ``b``), by Tango's score interval."""

    def of_prompts(confidence: float) -> tuple[float, float]:
        low, high = interval(pairs, confidence=confidence)
        return (low, high) if asked.lower else (-high, -low)

    harm = pairs.delta if asked.lower else -pairs.delta
    if not pairs.n:
        return _nothing(pairs.rate_b, pairs.rate_a, PAIRED)
    bounds, p = _weighed(of_prompts, harm, asked)
    return Evidence(pairs.rate_b, pairs.rate_a, harm, *bounds, p, pairs.n, PAIRED)


def two_sample_evidence(run: Hits, reference: Sequence[Row], asked: Question) -> Evidence:
    """The reference has rates only, one row a seed: Newcombe's interval.

    Seeds of a reference answered the same prompts, and how alike cannot be told from rates: they
    count as one sample of that many prompts. The run's own seeds count by their design effect.
    That both sides answered the same prompts is left unused, which errs on the side of no verdict.
    """
    mine = _effective(run)
    pooled = pool([row.rate for row in reference])
    rate, trials = pooled.value, pooled.trials
    value = mine[0] / mine[1] if mine[1] else float("nan")
    if not trials or not mine[1]:
        return _nothing(value, rate, TWO_SAMPLE)
    theirs = (rate * trials, trials)

    def of_prompts(confidence: float) -> tuple[float, float]:
        low, high = independent_interval(theirs, mine, confidence=confidence)
        return (low, high) if asked.lower else (-high, -low)

    harm = value - rate if asked.lower else rate - value
    bounds, p = _weighed(of_prompts, harm, asked)
    n = min(_against_nothing(run).n, round(trials))
    return Evidence(value, rate, harm, *bounds, p, n, TWO_SAMPLE)


def _weighed(
    of_prompts: Interval, harm: float, asked: Question
) -> tuple[tuple[float, float], float]:
    """One-sided bounds of the harm with the seeds' variance in them, and the p at the margin."""
    least, most = _bounds(of_prompts, harm, asked.seed_variance, asked.confidence)
    return (least, most), _p_at_margin(of_prompts, harm, asked)


def _bounds(
    of_prompts: Interval, harm: float, seed_variance: float, confidence: float
) -> tuple[float, float]:
    """The distances from estimate to bounds grow in quadrature by what seeds bring.

    Zou and Donner, Stat. Med. 27:1693, 2008.
    """
    low, high = of_prompts(2 * confidence - 1)
    seeds = norm.isf(1 - confidence) ** 2 * seed_variance
    least = harm - sqrt(max(harm - low, 0.0) ** 2 + seeds)
    most = harm + sqrt(max(high - harm, 0.0) ** 2 + seeds)
    return max(least, -1.0), min(most, 1.0)


def _p_at_margin(of_prompts: Interval, harm: float, asked: Question) -> float:
    """The level at which the lower bound meets the margin."""
    if harm <= asked.margin:
        return 1.0

    def above(p: float) -> float:
        return _bounds(of_prompts, harm, asked.seed_variance, 1 - p)[0] - asked.margin

    if above(_SMALLEST_P) > 0:
        return _SMALLEST_P
    if above(_LARGEST_P - _SMALLEST_P) <= 0:
        return _LARGEST_P
    return float(brentq(above, _SMALLEST_P, _LARGEST_P - _SMALLEST_P, xtol=1e-10))


def _nothing(value: float, reference: float, how: str) -> Evidence:
    return Evidence(value, reference, float("nan"), -1.0, 1.0, 1.0, 0, how)


def _effective(hits: Hits) -> tuple[float, float]:
    """Hits and prompts after the design effect of the seeds."""
    pairs = _against_nothing(hits)
    size = effective_prompts(pairs)
    return (size * pairs.rate_b, size) if size else (0.0, 0.0)


def _against_nothing(hits: Hits) -> Pairs:
    """Pair with a model that never hits: the difference is then the rate itself."""
    nothing: dict[int, Mapping[str, bool | None]] = {
        seed: dict.fromkeys(answers, False) for seed, answers in hits.items()
    }
    return pair(nothing, hits)
