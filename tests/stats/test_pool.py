"""Pooling over seeds: a mean that no seed dominates, an interval that no seed falls out of."""

import math
import random
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from support.sample import ROW

from lox_bench.cli.tables import leaderboard_table
from lox_bench.gate.evidence import Question, two_sample_evidence
from lox_bench.report.markdown import pooled_text
from lox_bench.report.merge import Entry
from lox_bench.report.summary import summarise
from lox_bench.results.row import Row
from lox_bench.stats.intervals import wilson
from lox_bench.stats.pool import pool
from lox_bench.stats.rates import mean_score, rate
from lox_bench.stats.seeds import seed_spread
from lox_bench.types import Rate


@st.composite
def rates(draw: st.DrawFn, least: int = 0) -> Rate:
    n = draw(st.integers(least, 60))
    return rate(draw(st.integers(0, n)), n, unjudged=draw(st.integers(0, 20)))


seeds = st.lists(rates(), min_size=1, max_size=5)


@given(rates(least=1))
def test_one_seed_is_itself(one: Rate) -> None:
    pooled = pool([one])
    assert (pooled.value, pooled.low, pooled.high) == (one.value, one.low, one.high)
    assert (pooled.n, pooled.unjudged, pooled.coverage) == (one.n, one.unjudged, one.coverage)
    assert pooled.spread is None


@given(seeds)
def test_the_mean_lies_between_the_seeds_and_those_within_the_interval(held: list[Rate]) -> None:
    pooled = pool(held)
    if not pooled.n:
        assert math.isnan(pooled.value)
        assert (pooled.low, pooled.high, pooled.seeds) == (0.0, 1.0, ())
        return
    order = [pooled.low, pooled.lowest, pooled.value, pooled.highest, pooled.high]
    assert all(a <= b + 1e-9 for a, b in pairwise(order))


@given(seeds, st.randoms())
def test_the_order_of_seeds_does_not_matter(held: list[Rate], luck: random.Random) -> None:
    other = list(held)
    luck.shuffle(other)
    one, two = pool(held), pool(other)
    assert one.value == pytest.approx(two.value, nan_ok=True)
    assert (one.low, one.high, one.n, one.unjudged) == (two.low, two.high, two.n, two.unjudged)


@given(st.lists(rates(least=1), min_size=1, max_size=5))
def test_a_seed_without_a_judged_answer_changes_coverage_only(held: list[Rate]) -> None:
    alone, more = pool(held), pool([*held, rate(0, 0, unjudged=7)])
    assert (more.value, more.low, more.high, more.seeds) == (
        alone.value, alone.low, alone.high, alone.seeds)  # fmt: skip
    assert more.coverage == 0.0
    assert more.is_thin


@given(st.integers(1, 80), st.lists(st.integers(0, 80), min_size=1, max_size=5))
def test_the_interval_holds_that_of_the_mean_on_one_seeds_prompts(n: int, hits: list[int]) -> None:
    """Seeds answer the same prompts: they may not narrow the interval."""
    held = [min(count, n) for count in hits]
    pooled = pool([rate(count, n) for count in held])
    for count in range(min(held), max(held) + 1):
        low, high = wilson(count, n)
        assert pooled.low - 1e-9 <= low
        assert high <= pooled.high + 1e-9


@given(seeds)
def test_the_bounds_hold_the_rate_whatever_the_unjudged_were(held: list[Rate]) -> None:
    low, high = pool(held).bounds or (math.nan, math.nan)
    asked = [item for item in held if item.n + item.unjudged]
    if len(asked) == len(held):
        none = [item.hits / (item.n + item.unjudged) for item in held]
        every = [(item.hits + item.unjudged) / (item.n + item.unjudged) for item in held]
        assert low == pytest.approx(sum(none) / len(held))
        assert high == pytest.approx(sum(every) / len(held))


def test_a_mean_score_has_no_bounds() -> None:
    assert pool([mean_score([], 1, 5)]).bounds is None
    assert pool([Rate(3.0, 2.0, 4.0, n=10), Rate(4.0, 3.0, 5.0, n=10)]).value == 3.5


def of_seeds(*counts: tuple[int, int]) -> list[Row]:
    """Rows of one model whose values are as a file has them, rounded."""
    rows = []
    for seed, (hits, n) in enumerate(counts):
        one = rate(hits, n)
        numbers = {"value": float(f"{one.value:.6g}"), "ci_low": one.low, "ci_high": one.high}
        counted = {"hits": hits, "n": n, "unjudged": 0, "coverage": 1.0}
        rows.append(replace(ROW, seed=seed, **numbers, **counted))
    return rows


def test_terminal_markdown_and_gate_show_the_same_number_and_interval() -> None:
    rows = of_seeds((10, 30), (17, 30), (12, 30))
    pooled = pool([row.rate for row in rows])
    console = Console(width=160, no_color=True)
    with console.capture() as capture:
        console.print(leaderboard_table(rows))
    assert f"{pooled.value:.2f} (100%)" in capture.get()
    assert f"{pooled.low:.2f}-{pooled.high:.2f}" in capture.get()
    assert "seeds 0.33-0.57" in capture.get()
    table = summarise([Entry(row, "run", "") for row in rows])
    text = pooled_text(table.lines[0].pooled[table.measures[0]])
    assert text.startswith(f"{pooled.value:.2f} [{pooled.low:.2f}, {pooled.high:.2f}] n=90")
    hits = {0: {f"p{i}": i < 13 for i in range(30)}}
    evidence = two_sample_evidence(hits, rows, Question(True, 0.05, 0.95))
    assert evidence.reference == pooled.value == pytest.approx(39 / 90)


def test_the_spread_over_seeds_has_the_leaderboards_mean_where_all_is_judged() -> None:
    hits = {s: {f"p{i}": (i * (s + 3)) % 7 < 3 for i in range(50)} for s in range(3)}
    spread = seed_spread(hits)
    pooled = pool([rate(sum(answers.values()), 50) for answers in hits.values()])
    assert (spread.mean, spread.rates) == (pooled.value, pooled.seeds)
    assert (spread.pooled.low, spread.pooled.high) == (pooled.low, pooled.high)


def test_counts_are_exact_although_files_round_rates() -> None:
    row = replace(ROW, value=0.333333, hits=1, n=3)
    assert row.rate.value == 1 / 3
    assert replace(row, hits=None).rate.value == 0.333333
