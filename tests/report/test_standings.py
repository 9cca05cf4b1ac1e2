"""The worst case over attacks: of valid ones, with an interval that knows of the choice."""

from dataclasses import replace
from pathlib import Path

import pytest

from lox_bench.report.markdown import leaderboard_markdown
from lox_bench.report.merge import Entry, read_boards
from lox_bench.report.pareto import Spot, front, plot_pareto
from lox_bench.report.standings import Standing, standing_tables, standings
from lox_bench.results.row import Row
from lox_bench.stats.intervals import wilson

CONTROLS = Path(__file__).parents[2] / "results" / "smollm2-135m-controls.csv"


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    return [entry for board in read_boards([CONTROLS]) for entry in board.entries]


def _of(items: list[Standing], model: str) -> Standing:
    return next(item for item in items if (item.model, item.judge) == (model, "keyword"))


def _changed(entries: list[Entry], **fields: object) -> list[Entry]:
    """The entries, those of random-k after instruct with other fields."""
    return [
        replace(entry, row=replace(entry.row, **fields)) if _is_meant(entry.row) else entry
        for entry in entries
    ]


def _is_meant(row: Row) -> bool:
    return (row.model, row.attack, row.judge) == ("random-k", "instruct", "keyword")


def test_the_worst_attack_is_taken_with_bonferronis_interval(entries: list[Entry]) -> None:
    found = standings(entries)
    item = _of(found, "random-k")
    rates = {
        entry.row.attack: entry.row
        for entry in entries
        if (entry.row.model, entry.row.metric) == ("random-k", "refusal_lost")
    }
    worst = max((rates["gsm8k"], rates["instruct"]), key=lambda row: row.value)
    assert (item.attack, item.attacks) == (worst.attack, 2)
    assert worst.hits is not None
    assert (item.worst.low, item.worst.high) == pytest.approx(
        wilson(worst.hits, worst.n, confidence=0.975)
    )
    assert item.before is not None
    assert item.before.value == pytest.approx(rates["none"].rate.value)


def test_models_stand_by_their_worst_case_best_first(entries: list[Entry]) -> None:
    keyword = [item for item in standings(entries) if item.judge == "keyword"]
    assert [item.model for item in keyword[:2]] == ["expo", "lox"]
    assert [i.worst.value for i in keyword] == sorted(i.worst.value for i in keyword)


def test_an_invalid_attack_is_left_out_by_name(entries: list[Entry]) -> None:
    item = _of(standings(_changed(entries, valid="no", invalid_reason="loops")), "random-k")
    assert (item.attack, item.attacks, item.left_out) == ("gsm8k", 1, ("instruct",))
    tables = standing_tables([item])
    assert tables[0].rows[0][-1] == "instruct"


def test_accuracy_is_that_of_the_attack_which_teaches(entries: list[Entry]) -> None:
    item = _of(standings(entries), "random-k")
    assert item.accuracy is not None
    assert item.accuracy.value > 0.2  # instruct teaches no maths: 0.00


def test_one_attack_needs_no_worst_case(entries: list[Entry]) -> None:
    single = [entry for entry in entries if entry.row.attack != "instruct"]
    assert standings(single) == []
    assert "Worst case" not in leaderboard_markdown(single)
    assert "Worst case over attacks" in leaderboard_markdown(entries)


def test_the_front_holds_what_nothing_beats() -> None:
    at = {"a": (0.2, 0.9), "b": (0.5, 0.5), "c": (0.4, 0.4), "d": (0.5, 0.5), "e": (0.9, 0.1)}
    spots = [Spot(name, (x, x, x), (y, y, y)) for name, (x, y) in at.items()]
    assert [spot.model for spot in front(spots)] == ["a", "b", "d", "e"]


def test_the_picture_is_drawn_and_equal_each_time(entries: list[Entry], tmp_path: Path) -> None:
    keyword = [item for item in standings(entries) if item.judge == "keyword"]
    for name in ("one", "two"):
        assert plot_pareto(keyword, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert not plot_pareto([replace(keyword[0], attacks=0)], tmp_path / "three")
