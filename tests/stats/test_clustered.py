"""Several answers a prompt: the interval knows that they are no new prompts."""

from math import isnan

import numpy as np
import pytest

from lox_bench.stats.clustered import Cluster, any_rate, mean_rate
from lox_bench.stats.intervals import wilson


def test_answers_that_always_agree_are_worth_their_prompts() -> None:
    """Five equal answers say what one says."""
    clusters = [Cluster(5 * hit, 5) for hit in [1] * 30 + [0] * 70]
    found = mean_rate(clusters)
    low, high = wilson(30, 100)
    assert (found.value, found.n, found.hits) == (0.3, 500, None)
    assert found.low == pytest.approx(low, abs=0.002)
    assert found.high == pytest.approx(high, abs=0.002)


def test_answers_that_know_nothing_of_each_other_are_worth_themselves() -> None:
    rng = np.random.default_rng(0)
    hits = rng.binomial(10, 0.3, 400)
    found, (low, high) = mean_rate([Cluster(int(h), 10) for h in hits]), wilson(sum(hits), 4000)
    assert (found.high - found.low) / (high - low) == pytest.approx(1, abs=0.1)
    assert found.high - found.low >= high - low - 1e-9  # never more than there are


def test_nine_intervals_in_ten_or_more_cover_the_truth() -> None:
    """Prompts differ in how often they are answered: Beta, as drawn rates are."""
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        hits = rng.binomial(5, rng.beta(0.4, 1.2, 100))
        found = mean_rate([Cluster(int(h), 5) for h in hits])
        covered += found.low <= 0.25 <= found.high
    assert 0.92 <= covered / 400 <= 0.98


def test_where_all_agree_the_interval_has_a_width() -> None:
    found, (low, high) = mean_rate([Cluster(0, 5)] * 50), wilson(0, 50)
    assert (found.value, found.low, found.high) == pytest.approx((0, low, high), abs=1e-9)


def test_unjudged_answers_are_left_out_and_counted() -> None:
    clusters = [Cluster(1, 2, 1), Cluster(0, 1, 2), Cluster(0, 0, 3), Cluster(3, 3)]
    mean, any_ = mean_rate(clusters), any_rate(clusters)
    assert (mean.value, mean.n, mean.unjudged) == (4 / 6, 6, 6)
    assert (any_.hits, any_.n, any_.unjudged) == (2, 2, 2)


def test_nothing_judged_is_no_number() -> None:
    found = mean_rate([Cluster(0, 0, 3)])
    assert isnan(found.value)
    assert (found.low, found.high, found.n) == (0, 1, 0)


def test_any_is_a_share_of_prompts() -> None:
    found = any_rate([Cluster(1, 5), Cluster(0, 5), Cluster(5, 5), Cluster(0, 5)])
    assert (found.value, found.n, (found.low, found.high)) == (0.5, 4, wilson(2, 4))
