"""Paired statistics against published examples, other libraries, brute force and each other."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import norm, permutation_test

from lox_bench.stats.mcnemar import mcnemar
from lox_bench.stats.paired import bootstrap, effective_prompts, interval
from lox_bench.stats.pairs import Pairs, pair
from lox_bench.stats.score import independent_interval, independent_p, tango

Z = float(norm.isf(0.025))
COUNTS = st.tuples(st.integers(0, 25), st.integers(0, 25), st.integers(0, 50)).filter(sum)


def one_seed(only_b: int, only_a: int, rest: int) -> Pairs:
    n = only_b + only_a + rest
    b, a = np.zeros(n), np.zeros(n)
    b[:only_b], a[only_b : only_b + only_a] = 1, 1
    return Pairs(only_b=b, only_a=a, both=np.zeros(n), repeats=np.ones(n))


def drawn(n: int, seeds: int, *, shift: float = 0.0, draw: int = 0) -> tuple[dict, dict]:
    """Two models' outcomes on prompts that differ in hardness."""
    rng = np.random.default_rng(draw)
    chance = rng.beta(1, 1, n)
    names = [f"p{i}" for i in range(n)]
    sides = []
    for rate in (chance, np.clip(chance + shift, 0, 1)):
        hits = rng.random((seeds, n)) < rate
        sides.append({s: dict(zip(names, map(bool, hits[s]), strict=True)) for s in range(seeds)})
    return sides[0], sides[1]


def test_tangos_interval_is_that_of_the_literature() -> None:
    """Airway reactivity before and after transplantation: 1 and 7 discordant of 21 children."""
    low, high = tango(1, 7, 21)  # Fagerland, Lydersen and Laake, Stat. Med. 33:2850, 2014
    assert (round(low, 3), round(high, 3)) == (-0.517, -0.026)


@given(COUNTS)
@settings(max_examples=60, deadline=None)
def test_tangos_ends_solve_the_score_equation_with_its_nuisance_found_by_search(
    counts: tuple[int, int, int],
) -> None:
    only_b, only_a, rest = counts
    n = sum(counts)

    def statistic(delta: float) -> float:
        def loss(q: float) -> float:  # minus the log-likelihood with p(only b) = q + delta
            cells = zip((only_b, only_a, rest), (q + delta, q, 1 - 2 * q - delta), strict=True)
            return -sum(count * np.log(max(p, 1e-300)) for count, p in cells if count)

        ends = (max(0.0, -delta), (1 - delta) / 2)
        found = minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-12})
        q = min((*ends, float(found.x)), key=loss)
        return (only_b - only_a - n * delta) / np.sqrt(n * (2 * q + delta * (1 - delta)))

    low, high = tango(only_b, only_a, n)
    if low > -1 + 1e-6:
        assert statistic(low) == pytest.approx(Z, abs=2e-3)
    if high < 1 - 1e-6:
        assert statistic(high) == pytest.approx(-Z, abs=2e-3)


@given(COUNTS)
@settings(max_examples=60, deadline=None)
def test_swapping_the_models_mirrors_interval_and_leaves_p(counts: tuple[int, int, int]) -> None:
    ahead = one_seed(*counts)
    back = one_seed(counts[1], counts[0], counts[2])
    low, high = interval(ahead)
    assert interval(back) == pytest.approx((-high, -low), abs=1e-9)
    assert mcnemar(ahead) == pytest.approx(mcnemar(back))
    assert low <= ahead.delta <= high


@pytest.mark.parametrize("n", [10, 52, 100])
def test_agreement_on_every_prompt_still_leaves_an_interval(n: int) -> None:
    reach = Z**2 / (n + Z**2)
    assert interval(one_seed(0, 0, n)) == pytest.approx((-reach, reach), abs=1e-9)


def test_no_prompt_at_all_says_nothing() -> None:
    nothing = pair({0: {"p": None}}, {0: {"p": True}})
    assert nothing.n == 0
    assert nothing.dropped == 1
    assert interval(nothing) == interval(nothing, method="bootstrap") == (-1.0, 1.0)
    assert mcnemar(nothing) == 1.0


@given(COUNTS)
@settings(max_examples=60, deadline=None)
def test_one_seed_gives_the_exact_mcnemar_test_of_statsmodels(counts: tuple[int, int, int]) -> None:
    from statsmodels.stats.contingency_tables import mcnemar as theirs

    only_b, only_a, rest = counts
    expected = theirs([[rest, only_b], [only_a, 0]], exact=True).pvalue
    assert mcnemar(one_seed(*counts)) == pytest.approx(min(expected, 1.0), rel=1e-9)


def test_several_seeds_give_the_sign_flip_test_of_brute_force_and_scipy() -> None:
    a, b = drawn(12, 3, shift=0.3)
    pairs = pair(a, b)
    values = pairs.differences
    flips = np.array(list(product((-1, 1), repeat=len(values)))) @ values
    for alternative, extreme in (
        ("two-sided", np.abs(flips) >= abs(values.sum()) - 1e-9),
        ("greater", flips >= values.sum() - 1e-9),
        ("less", flips <= values.sum() + 1e-9),
    ):
        p = mcnemar(pairs, alternative=alternative)
        assert p == pytest.approx(extreme.mean(), rel=1e-9)
        scipys = permutation_test(
            (values,), np.sum, permutation_type="samples", n_resamples=np.inf,
            alternative=alternative,
        )  # fmt: skip
        assert p == pytest.approx(scipys.pvalue, rel=1e-9)


@pytest.mark.parametrize("seeds", [1, 3])
def test_large_samples_agree_with_a_cluster_robust_gee(seeds: int) -> None:
    import statsmodels.api as sm

    n = 400
    a, b = drawn(n, seeds, shift=0.06, draw=4)
    prompts = list(a[0])
    outcome = [side[s][p] for p in prompts for s in range(seeds) for side in (a, b)]
    model = np.tile([0.0, 1.0], n * seeds)
    fit = sm.GEE(
        np.array(outcome, dtype=float),
        sm.add_constant(model),
        groups=np.repeat(np.arange(n), 2 * seeds),
        family=sm.families.Gaussian(),
        cov_struct=sm.cov_struct.Independence(),
    ).fit()
    pairs = pair(a, b)
    assert pairs.delta == pytest.approx(fit.params[1])
    assert interval(pairs) == pytest.approx(tuple(fit.conf_int()[1]), abs=0.006)
    assert mcnemar(pairs) == pytest.approx(fit.pvalues[1], abs=0.03)


def test_the_interval_of_one_seed_is_tangos_own() -> None:
    pairs = one_seed(7, 20, 73)
    assert effective_prompts(pairs) == 100
    assert interval(pairs) == pytest.approx(tango(7, 20, 100))


def test_a_repeated_seed_adds_nothing_and_independent_seeds_add_much() -> None:
    a, b = drawn(200, 3, shift=0.1)
    one = pair({0: a[0]}, {0: b[0]})
    copied = pair(dict.fromkeys(range(3), a[0]), dict.fromkeys(range(3), b[0]))
    assert effective_prompts(copied) == pytest.approx(effective_prompts(one))
    assert interval(copied) == pytest.approx(interval(one))
    assert 200 < effective_prompts(pair(a, b)) <= 600


def test_score_and_bootstrap_agree_where_prompts_abound() -> None:
    pairs = pair(*drawn(400, 3, shift=-0.1))
    assert interval(pairs) == pytest.approx(bootstrap(pairs), abs=0.01)
    assert bootstrap(pairs) == bootstrap(pairs)


def test_the_bootstrap_collapses_where_all_prompts_agree() -> None:
    assert bootstrap(one_seed(0, 0, 50)) == (0.0, 0.0)


def test_pairs_with_an_unjudged_side_are_dropped_counted_and_bounded() -> None:
    a = {0: {"p": True, "q": False, "r": None}}
    b = {0: {"p": False, "q": None, "r": True, "s": True}}
    pairs = pair(a, b)
    assert (pairs.n, pairs.dropped, pairs.delta) == (1, 2, -1.0)
    # q: b unjudged, 0 or +1; r: a unjudged, 0 or +1; over three prompts; s was not asked of a
    assert pairs.worst == pytest.approx((-1 / 3, 1 / 3))


@given(st.lists(st.tuples(*[st.sampled_from([True, False, None])] * 4), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_any_labels_of_the_unjudged_stay_within_the_worst_case(
    answers: list[tuple[bool | None, ...]],
) -> None:
    rng = np.random.default_rng(0)
    table = np.array(answers, dtype=object)
    names = [f"p{i}" for i in range(len(answers))]

    def side(columns: np.ndarray) -> dict:
        return {s: dict(zip(names, columns[:, s], strict=True)) for s in range(2)}

    low, high = pair(side(table[:, :2]), side(table[:, 2:])).worst
    filled = np.where(table == None, rng.random(table.shape) < 0.5, table)  # noqa: E711
    delta = pair(side(filled[:, :2]), side(filled[:, 2:])).delta
    assert low - 1e-12 <= delta <= high + 1e-12


def test_unequal_seeds_meet_each_other() -> None:
    a, b = drawn(50, 3)
    pairs = pair(a, {7: b[0]})
    assert set(pairs.repeats) == {3.0}
    rates = [np.mean([hits[p] for hits in a.values() for p in hits]), np.mean(list(b[0].values()))]
    assert (pairs.rate_a, pairs.rate_b) == pytest.approx(tuple(rates))
    assert pairs.by_seed == ()


def test_differences_by_seed_average_to_the_whole() -> None:
    pairs = pair(*drawn(50, 3))
    assert np.mean(pairs.by_seed) == pytest.approx(pairs.delta)


def test_independent_rates_follow_newcombe() -> None:
    """56 of 70 against 48 of 80: his example (a), method 10 (Stat. Med. 17:873, 1998)."""
    published = independent_interval((48, 80), (56, 70))
    assert tuple(round(end, 4) for end in published) == (0.0524, 0.3339)


@pytest.mark.parametrize("hits", [0, 20])
def test_equal_rates_at_the_edge_are_no_evidence(hits: int) -> None:
    assert independent_p((hits, 20), (hits, 20), larger=True) == 1.0


def test_a_larger_rate_has_a_small_one_sided_p() -> None:
    assert independent_p((2, 100), (20, 100), larger=True) < 0.001
    assert independent_p((2, 100), (20, 100), larger=False) > 0.999
