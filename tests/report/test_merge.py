"""Merging leaderboards: the newest number per key, and always where it came from."""

from dataclasses import replace
from pathlib import Path

import pytest
from support.sample import ROW

from lox_bench.errors import DataError
from lox_bench.report.markdown import leaderboard_markdown
from lox_bench.report.merge import Entry, entries_csv, newest, read_boards
from lox_bench.report.summary import summarise
from lox_bench.results.row import to_csv

OLD, NEW = "2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00"


def test_the_newest_number_of_a_key_is_kept_whatever_the_order() -> None:
    old, new = Entry(ROW, "a", OLD), Entry(replace(ROW, value=0.5), "b", NEW)
    assert newest([old, new]) == newest([new, old]) == [new]


def test_an_undated_number_never_replaces_a_dated_one() -> None:
    dated, undated = Entry(ROW, "run", OLD), Entry(ROW, "reference.csv", "")
    assert newest([dated, undated]) == [dated]


def test_of_equally_old_numbers_the_one_named_last_is_kept() -> None:
    first, last = Entry(ROW, "a.csv", ""), Entry(ROW, "b.csv", "")
    assert newest([first, last]) == [last]


@pytest.mark.parametrize(
    "change",
    [
        {"family": "other"},
        {"model": "another name for the same weights"},
        {"model_key": "other"},
        {"attack": "dolly"},
        {"task": "other"},
        {"judge": "other"},
        {"metric": "other"},
        {"seed": 1},
        {"data_sha256": "other prompts"},
        {"n": 5},  # a quick look with --limit asked fewer prompts
    ],
    ids=lambda change: next(iter(change)),
)
def test_numbers_that_measure_different_things_stand_side_by_side(change: dict[str, str]) -> None:
    both = [Entry(ROW, "a", OLD), Entry(replace(ROW, **change), "b", NEW)]
    assert newest(both) == both


def test_one_more_unjudged_answer_is_still_the_same_measurement() -> None:
    old = Entry(ROW, "a", OLD)
    new = Entry(replace(ROW, n=ROW.n - 1, unjudged=ROW.unjudged + 1), "b", NEW)
    assert newest([old, new]) == [new]


def test_a_merged_file_can_be_merged_again_without_losing_its_sources(tmp_path: Path) -> None:
    entries = [Entry(ROW, "run-a", OLD), Entry(replace(ROW, seed=1), "run-b", NEW)]
    (tmp_path / "leaderboard.csv").write_text(entries_csv(entries))
    assert [list(board.entries) for board in read_boards([tmp_path / "leaderboard.csv"])] == [
        entries
    ]


def test_files_of_one_name_are_told_apart_by_their_path(tmp_path: Path) -> None:
    files = [tmp_path / folder / "x.csv" for folder in ("a", "b")]
    for file in files:
        file.parent.mkdir()
        file.write_text(to_csv([ROW]))
    assert [board.name for board in read_boards(files)] == [str(file) for file in files]
    assert [board.name for board in read_boards([files[0], files[0]])] == ["x.csv"]


def test_what_is_neither_run_nor_leaderboard_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no run"):
        read_boards([tmp_path])


def test_seeds_are_pooled_within_a_run_and_runs_never_are() -> None:
    rows = [replace(ROW, seed=seed, value=hits / 20, hits=hits) for seed, hits in ((0, 4), (1, 8))]
    table = summarise([Entry(row, run, OLD) for run in ("a", "b") for row in rows])
    assert [line.source for line in table.lines] == ["a", "b"]
    cell = table.lines[0].pooled[table.measures[0]]
    assert cell.value == pytest.approx(0.3)
    assert (cell.low, cell.high, cell.n, cell.spread) == (0.1, 0.5, 40, (0.2, 0.4))


def test_a_run_that_was_run_again_is_another_run() -> None:
    quick = replace(ROW, n=7, unjudged=0)
    table = summarise([Entry(ROW, "a", OLD), Entry(quick, "a", NEW)])
    assert [line.pooled[table.measures[0]].n for line in table.lines] == [20, 7]


def test_columns_name_what_tells_them_apart_and_nothing_else() -> None:
    rows = [ROW, replace(ROW, judge="other"), replace(ROW, metric="accuracy", task="gsm8k")]
    table = summarise([Entry(row, "a", OLD) for row in rows])
    assert [table.heading(measure) for measure in table.measures] == [
        ["asr", "harmful", "keyword-prefix"],
        ["asr", "harmful", "other"],
        ["accuracy", "gsm8k"],
    ]


def test_markdown_cells_hold_value_interval_and_n() -> None:
    text = leaderboard_markdown([Entry(ROW, "a", OLD)])
    assert "| 0.25 [0.10, 0.50] n=20, 1 unjudged |" in text


def test_a_rate_of_nothing_judged_is_a_dash() -> None:
    row = replace(
        ROW, n=0, hits=0, unjudged=21, coverage=0.0, value=float("nan"), ci_low=0.0, ci_high=1.0
    )
    assert "| - n=0, 21 unjudged ⚠ |" in leaderboard_markdown([Entry(row, "a", OLD)])


def test_names_cannot_break_out_of_a_markdown_table() -> None:
    text = leaderboard_markdown([Entry(replace(ROW, model="a|b\n<script>*x*"), "run", OLD)])
    line = next(line for line in text.splitlines() if "script" in line)
    assert line.startswith(r"| a\|b \<script\>\*x\*+gsm8k |")
