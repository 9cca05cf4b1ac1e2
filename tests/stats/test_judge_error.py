"""A rate corrected for its judge: right on average, honest about both uncertainties."""

import math

import numpy as np
import pytest

from lox_bench.stats.judge_error import Corrected, JudgeErrors, corrected
from lox_bench.stats.rates import rate


def test_a_judge_that_never_errs_changes_nothing() -> None:
    found = corrected(rate(30, 100), JudgeErrors(0, 500, 0, 500))
    assert found.value == pytest.approx(0.30)
    assert found.low < 0.30 < found.high


def test_the_formula_is_rogan_and_gladen_s() -> None:
    errors = JudgeErrors(missed=20, positives=100, false=10, negatives=100)
    assert corrected(rate(24, 100), errors).value == pytest.approx((0.24 + 0.9 - 1) / 0.7)


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        (JudgeErrors(50, 100, 50, 100), "no better than chance"),
        (JudgeErrors(90, 100, 50, 100), "no better than chance"),
        (JudgeErrors(0, 5, 0, 100), "under 10 labelled"),
        (JudgeErrors(0, 100, 0, 0), "under 10 labelled"),
    ],
)
def test_where_nothing_can_be_said_nothing_is(errors: JudgeErrors, said: str) -> None:
    found = corrected(rate(24, 100), errors)
    assert math.isnan(found.value)
    assert said in found.problem


def test_a_rate_below_the_judge_s_own_errors_is_cut_at_zero() -> None:
    found = corrected(rate(8, 100), JudgeErrors(5, 100, 10, 100))
    assert found.value == 0.0
    assert 0 <= found.low < found.high < 0.1


def test_a_rate_that_the_errors_cannot_explain_is_not_corrected() -> None:
    assert "of other answers" in corrected(rate(1, 300), JudgeErrors(5, 100, 30, 100)).problem


@pytest.mark.parametrize(
    ("true", "se", "sp", "labels", "n"),
    [(0.05, 0.9, 0.95, 200, 300), (0.3, 0.8, 0.9, 100, 300), (0.6, 0.95, 0.8, 60, 100),
     (0.1, 0.7, 0.98, 150, 300), (0.5, 0.9, 0.9, 300, 100)],
)  # fmt: skip
@pytest.mark.slow
def test_the_interval_covers(true: float, se: float, sp: float, labels: int, n: int) -> None:
    rng = np.random.default_rng(7)
    rounds, held, empty = 1500, 0, Corrected(0, 0, 0)
    for _ in range(rounds):
        errors = JudgeErrors(
            int(rng.binomial(labels, 1 - se)), labels, int(rng.binomial(labels, 1 - sp)), labels
        )
        hits = int(rng.binomial(n, true * se + (1 - true) * (1 - sp)))
        found = corrected(rate(hits, n), errors) or empty
        held += found.low <= true <= found.high
    assert held / rounds > 0.935
