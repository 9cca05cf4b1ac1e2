"""How a run's rate differs from the reference's, and how sure that is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt

from scipy.stats import norm

from lox_bench.results.row import Row
from lox_bench.stats.mcnemar import mcnemar
from lox_bench.stats.paired import effective_prompts, interval
from lox_bench.stats.pairs import Hits, Pairs, pair
from lox_bench.stats.pool import pool
from lox_bench.stats.score import independent_interval, independent_p

PAIRED = "paired"
TWO_SAMPLE = "two-sample"


@dataclass(frozen=True, slots=True)
class Evidence:
    """The harm done: how far the run lies on the wrong side of the reference.

    Attributes:
        harm: difference of the rates, positive if worse, in [-1, 1].
        most: one-sided upper confidence bound of it.
        p: one-sided p of no harm at all.
        n: prompts; ``how``: paired by prompt, or two independent samples.
    """

    value: float
    reference: float
    harm: float
    most: float
    p: float
    n: int
    how: str


def paired_evidence(pairs: Pairs, *, lower: bool, confidence: float) -> Evidence:
    """Both sides prompt by prompt (the run as ``b``): score interval, exact clustered McNemar."""
    low, high = interval(pairs, confidence=2 * confidence - 1)
    p = mcnemar(pairs, alternative="greater" if lower else "less")
    return Evidence(
        value=pairs.rate_b,
        reference=pairs.rate_a,
        harm=pairs.delta if lower else -pairs.delta,
        most=high if lower else -low,
        p=p,
        n=pairs.n,
        how=PAIRED,
    )


def widened(evidence: Evidence, seed_variance: float, *, confidence: float) -> Evidence:
    """Add the variance that seeds bring to the difference of the two rates.

    The distance from estimate to bound grows in quadrature (Zou and Donner, Stat. Med. 27:1693,
    2008), the test's z shrinks by the same variance.
    """
    if seed_variance <= 0 or not evidence.n:
        return evidence
    reach = sqrt(
        (evidence.most - evidence.harm) ** 2 + norm.isf(1 - confidence) ** 2 * seed_variance
    )
    p, z = evidence.p, float(norm.isf(evidence.p))
    if z > 0 and evidence.harm > 0:
        p = float(norm.sf(evidence.harm / sqrt((evidence.harm / z) ** 2 + seed_variance)))
    return replace(evidence, most=min(evidence.harm + reach, 1.0), p=p)


def two_sample_evidence(
    run: Hits, reference: Sequence[Row], *, lower: bool, confidence: float
) -> Evidence:
    """The reference has rates only, one row a seed: Newcombe's interval and the score test.

    Seeds of a reference answered the same prompts, and how alike cannot be told from rates: they
    count as one sample of that many prompts. The run's own seeds count by their design effect.
    That both sides answered the same prompts is left unused, which errs on the side of no verdict.
    """
    mine = _effective(run)
    pooled = pool([row.rate for row in reference])
    rate, trials = pooled.value, pooled.trials
    theirs = (rate * trials, trials)
    value = mine[0] / mine[1] if mine[1] else float("nan")
    if not trials or not mine[1]:
        return Evidence(value, rate, float("nan"), 1.0, 1.0, 0, TWO_SAMPLE)
    low, high = independent_interval(theirs, mine, confidence=2 * confidence - 1)
    return Evidence(
        value=value,
        reference=rate,
        harm=value - rate if lower else rate - value,
        most=high if lower else -low,
        p=independent_p(theirs, mine, larger=lower),
        n=min(_against_nothing(run).n, round(trials)),
        how=TWO_SAMPLE,
    )


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
