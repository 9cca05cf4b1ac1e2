"""Coverage: the judged share is always shown, and marked where it is too small to compare."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from rich.console import Console
from support.sample import ROW

from lox_bench.cli.tables import leaderboard_table
from lox_bench.report import plots
from lox_bench.results.row import Row
from lox_bench.stats.rates import MIN_COVERAGE, rate, worst_case


def judged(n: int, unjudged: int, **more: object) -> Row:
    held = rate(n // 4, n, unjudged)
    numbers = {"value": held.value, "ci_low": held.low, "ci_high": held.high}
    counts = {"n": n, "hits": held.hits, "unjudged": unjudged, "coverage": held.coverage}
    return replace(ROW, model="lox", **numbers, **counts, **more)


def shown(rows: list[Row]) -> str:
    console = Console(width=100, no_color=True)
    with console.capture() as capture:
        console.print(leaderboard_table(rows))
    return " ".join(capture.get().split())  # captions wrap


@settings(max_examples=40)
@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_bounds_hold_whatever_the_unjudged_would_have_been(hits: int, misses: int, u: int) -> None:
    n = hits + misses
    low, high = worst_case(hits, n, u)
    for among_unjudged in range(u + 1) if n + u else []:
        true = (hits + among_unjudged) / (n + u)
        assert low - 1e-12 <= true <= high + 1e-12


def test_coverage_is_shown_even_when_it_is_full() -> None:
    text = shown([judged(100, 0)])
    assert "(100%)" in text
    assert "!" not in text


@pytest.mark.parametrize(("unjudged", "marked"), [(5, False), (6, True), (100, True)])
def test_a_row_under_the_threshold_is_marked_and_bounded(unjudged: int, *, marked: bool) -> None:
    row = judged(100 - unjudged, unjudged)
    assert (row.coverage < MIN_COVERAGE) is marked
    text = shown([row])
    assert ("not to be compared" in text) is marked
    assert ("%)!" in text) is marked
    if marked:
        low, high = worst_case(row.hits, row.n, row.unjudged)
        assert f"[{low:.2f}-{high:.2f}]" in text


def test_one_thin_seed_marks_the_mean() -> None:
    text = shown([judged(100, 0, seed=0), judged(90, 10, seed=1)])
    assert "(95%)!" in text


def test_each_judge_has_a_line_and_the_rest_stands_once() -> None:
    one, other = judged(100, 0, judge="first"), judged(80, 20, judge="second")
    accuracy = replace(ROW, model="lox", metric="accuracy", judge="exact-match", judge_key="")
    text = shown([one, other, replace(accuracy, task="gsm8k", hits=77, n=100, coverage=1.0)])
    assert text.index("first") < text.index("second")
    assert text.count("0.77") == 1
    assert text.count("%)!") == 1


def test_bars_under_the_threshold_are_hatched() -> None:
    axes = Figure().subplots()
    rows = [judged(100, 0, attack="none"), judged(80, 20)]
    plots._asr_panel(axes, ["lox"], rows)
    assert [bool(bar.get_hatch()) for bar in axes.patches] == [False, True]


def test_what_nobody_judged_is_written_not_left_out() -> None:
    axes = Figure().subplots()
    plots._asr_panel(axes, ["lox"], [judged(100, 0, attack="none"), judged(0, 100)])
    assert "none\njudged" in [text.get_text() for text in axes.texts]


@pytest.mark.parametrize("judges", [1, 2, 3])
def test_every_judge_has_a_panel_of_its_own(
    judges: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: drawn.append(figure))
    names = [f"judge-{i}" for i in range(judges)]
    rows = [judged(100, 0, judge=name) for name in names]
    rows.append(replace(ROW, model="lox", metric="accuracy", judge="exact-match", judge_key=""))
    assert plots.plot_safety(rows, tmp_path / "safety.png")
    assert plots.plot_tradeoff(rows, tmp_path / "trade.png")
    for figure in drawn:
        titles = [axes.get_title() for axes in figure.axes]
        assert titles == ([f"ASR, by {name}" for name in names] if judges > 1 else [""])
