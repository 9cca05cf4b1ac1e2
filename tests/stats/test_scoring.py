"""Single rates, families of tests, power, seeds: each against another library or simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lox_bench.stats.intervals import clopper_pearson, wilson
from lox_bench.stats.mcnemar import mcnemar
from lox_bench.stats.multiple import holm
from lox_bench.stats.pairs import Pairs
from lox_bench.stats.power import detectable, mcnemar_power, smallest_detectable
from lox_bench.stats.seeds import seed_spread


@pytest.mark.parametrize(
    ("ours", "theirs"), [(wilson, "wilson"), (clopper_pearson, "beta")], ids=["wilson", "exact"]
)
@pytest.mark.parametrize(("hits", "n"), [(0, 10), (3, 10), (10, 10), (17, 100)])
def test_intervals_of_one_rate_are_those_of_statsmodels(ours, theirs, hits: int, n: int) -> None:
    from statsmodels.stats.proportion import proportion_confint

    assert ours(hits, n) == pytest.approx(proportion_confint(hits, n, method=theirs), abs=1e-9)


@pytest.mark.parametrize("interval", [wilson, clopper_pearson])
def test_no_trial_says_nothing(interval) -> None:
    assert interval(0, 0) == (0.0, 1.0)


def test_holm_follows_its_definition() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def test_holm_is_that_of_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    ps = np.random.default_rng(0).random(30) ** 3
    assert holm(list(ps)) == pytest.approx(list(multipletests(ps, method="holm")[1]))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
def test_a_correction_never_lowers_p_and_keeps_the_order(ps: list[float]) -> None:
    adjusted = holm(ps)
    assert all(after >= before for before, after in zip(ps, adjusted, strict=True))
    ranked = [after for _, after in sorted(zip(ps, adjusted, strict=True))]
    assert ranked == sorted(ranked)


@pytest.mark.parametrize(("n", "only_b", "only_a"), [(20, 0.4, 0.1), (60, 0.2, 0.05), (5, 0.9, 0)])
def test_power_is_the_share_of_simulated_tests_that_reject(
    n: int, only_b: float, only_a: float
) -> None:
    rng, runs, rejected = np.random.default_rng(0), 3000, 0
    for b, a, _ in rng.multinomial(n, [only_b, only_a, 1 - only_b - only_a], runs):
        sides = np.zeros((2, n))
        sides[0, :b], sides[1, b : b + a] = 1, 1
        rejected += mcnemar(Pairs(sides[0], sides[1], np.zeros(n), np.ones(n))) < 0.05
    expected = mcnemar_power(n, only_b, only_a)
    assert rejected / runs == pytest.approx(expected, abs=0.03)


def test_the_smallest_detectable_difference_has_the_power_asked_for() -> None:
    for n, churn in ((50, 0.0), (100, 0.05), (300, 0.1)):
        delta = detectable(n, churn)
        assert mcnemar_power(n, churn + delta, churn) == pytest.approx(0.8, abs=1e-3)
        assert mcnemar_power(n, churn + 0.9 * delta, churn) < 0.8


def test_five_prompts_can_never_show_a_difference_and_more_show_smaller_ones() -> None:
    assert np.isnan(detectable(5, 0.0))
    found = [detectable(n, 0.05) for n in (20, 100, 500)]
    assert found == sorted(found, reverse=True)
    assert detectable(100, 0.15) > detectable(100, 0.0)


def test_detectable_is_read_off_the_pairs() -> None:
    b, a = np.zeros(100), np.zeros(100)
    b[:20], a[20:25] = 1, 1
    pairs = Pairs(b, a, np.zeros(100), np.ones(100))
    assert smallest_detectable(pairs) == pytest.approx(detectable(100, 0.05))


def seeds_of(table: np.ndarray) -> dict[int, dict[str, bool]]:
    return {s: {f"p{i}": bool(hit) for i, hit in enumerate(column)}
            for s, column in enumerate(table.T)}  # fmt: skip


@pytest.mark.slow
def test_seed_and_prompt_noise_are_told_apart_on_average() -> None:
    """Seeds shifted by a known amount: the component is found, and is zero without a shift."""
    rng = np.random.default_rng(0)
    shifts = np.array([-0.1, 0.0, 0.1])
    truth, runs = shifts.var(ddof=1), 300
    for size in (0.0, 1.0):
        found = []
        for _ in range(runs):
            chance = rng.uniform(0.2, 0.8, (100, 1)) + size * shifts
            spread = seed_spread(seeds_of(rng.random((100, 3)) < chance))
            found.append(spread.sd_excess**2)
        assert np.mean(found) == pytest.approx(size * truth, abs=0.0015)


def test_copied_seeds_do_not_spread() -> None:
    column = np.arange(40) % 3 == 0
    spread = seed_spread(seeds_of(np.stack([column] * 3, axis=1)))
    assert (spread.sd_seeds, spread.sd_excess) == pytest.approx((0, 0), abs=1e-12)
    assert spread.p_seeds == 1.0
    assert spread.se_prompts == pytest.approx(column.std(ddof=1) / np.sqrt(40))


def test_one_seed_has_no_spread_and_unjudged_prompts_are_left_out() -> None:
    single = seed_spread({0: {"p": True, "q": None, "r": False}})
    assert (single.n, single.rates) == (2, (0.5,))
    assert np.isnan(single.sd_seeds)
    assert seed_spread({0: {"p": None}, 1: {"p": True}}).n == 0


def test_seeds_that_differ_have_a_small_p() -> None:
    rng = np.random.default_rng(1)
    differing = rng.random((100, 3)) < [0.2, 0.5, 0.8]
    assert seed_spread(seeds_of(differing)).p_seeds < 0.001
