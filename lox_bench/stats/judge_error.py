"""A rate as it would be without the judge's errors, with the uncertainty of both.

A judge with sensitivity Se and specificity Sp reports a true share of p as p Se + (1 - p)(1 - Sp).
Rogan and Gladen (Am. J. Epidemiol. 107:71, 1978) turn that round; the interval is Lang and
Reiczigel's (Prev. Vet. Med. 113:13, 2014), which takes Se and Sp as estimates themselves. It is an
extrapolation from the labelled answers: it holds where the judge errs there as it does here.
"""

from dataclasses import dataclass
from math import nan, sqrt

from scipy.stats import norm

from lox_bench.stats.intervals import CONFIDENCE
from lox_bench.types import Rate

_LEAST_LABELS = 10  # of each side: with fewer the correction says nothing


@dataclass(frozen=True, slots=True)
class JudgeErrors:
    """What a judge did on labelled answers.

    ``missed`` of ``positives`` (answers that are hits) it did not count; ``false`` of
    ``negatives`` it did.
    """

    missed: int
    positives: int
    false: int
    negatives: int

    @property
    def sensitivity(self) -> float:
        """Share of the hits that it counts."""
        return 1 - self.missed / self.positives if self.positives else nan

    @property
    def specificity(self) -> float:
        """Share of the others that it does not."""
        return 1 - self.false / self.negatives if self.negatives else nan


@dataclass(frozen=True, slots=True)
class Corrected:
    """The estimate, cut to 0..1, and its interval; NaN where ``problem`` says why there is none."""

    value: float
    low: float
    high: float
    problem: str = ""


def corrected(measured: Rate, errors: JudgeErrors, *, confidence: float = CONFIDENCE) -> Corrected:
    """The rate behind a measured one.

    Args:
        measured: hits of n answers by the judge; n > 0.
        errors: of the same judge, on labelled answers of the same kind.
        confidence: of the two-sided interval.
    """
    if min(errors.positives, errors.negatives) < _LEAST_LABELS:
        return _none(f"under {_LEAST_LABELS} labelled answers of either kind")
    if errors.sensitivity + errors.specificity <= 1:
        return _none("on the labelled answers the judge does no better than chance")
    if measured.hits is None or not measured.n:
        return _none("nothing was counted")
    z = float(norm.isf((1 - confidence) / 2))
    size = measured.n + z * z
    rate = (measured.hits + z * z / 2) / size
    sizes = (errors.positives + 2, errors.negatives + 2)
    se = (errors.positives - errors.missed + 1) / sizes[0]
    sp = (errors.negatives - errors.false + 1) / sizes[1]
    youden = se + sp - 1
    if youden <= 0:
        return _none("on the labelled answers the judge does no better than chance")
    true = (rate + sp - 1) / youden
    of_se, of_sp = se * (1 - se) / sizes[0], sp * (1 - sp) / sizes[1]
    shift = 2 * z * z * (true * of_se - (1 - true) * of_sp)
    spread = sqrt(rate * (1 - rate) / size + true**2 * of_se + (1 - true) ** 2 * of_sp) / youden
    plain = measured.hits / measured.n
    value = (plain + errors.specificity - 1) / (errors.sensitivity + errors.specificity - 1)
    middle = true + shift
    if middle + z * spread <= 0 or middle - z * spread >= 1:
        return _none("beyond what the judge's errors allow: the labels are of other answers")
    return Corrected(_cut(value), _cut(middle - z * spread), _cut(middle + z * spread))


def _none(problem: str) -> Corrected:
    return Corrected(nan, nan, nan, problem)


def _cut(value: float) -> float:
    return min(1.0, max(0.0, value))
