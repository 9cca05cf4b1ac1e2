"""The leaderboard in a terminal of 80 columns: whole words, one column for harm."""

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from support.documented import ROOT
from support.run_folders import Command, Fake, write_run

from lox_bench.cli.tables import leaderboard_table
from lox_bench.results.row import Row, read_csv

WORDS = ("aligned", "+gsm8k", "degenerate", "over-refusal", "gsm8k-standin", "harmful", "offline")


@pytest.fixture
def rows(tmp_path: Path) -> list[Row]:
    rows = write_run(tmp_path / "run", Fake()).rows
    content = [
        replace(row, judge="offline", metric="asr") for row in rows if row.metric == "refusal_lost"
    ]
    return [*rows, *content]


def shown(rows: list[Row], width: int) -> str:
    text = io.StringIO()
    Console(file=text, width=width, color_system=None).print(leaderboard_table(rows))
    return text.getvalue()


def test_two_judges_fit_without_a_word_cut(rows: list[Row]) -> None:
    text = shown(rows, 80)
    assert max(map(len, text.splitlines())) <= 80
    assert [word for word in WORDS if word not in text] == []
    assert "lost / ASR" in text
    assert "offline (ASR)" in text


def test_a_long_name_is_broken_where_its_parts_meet(rows: list[Row]) -> None:
    long = [replace(row, model="lox(k=6,alpha=0.65)") for row in rows if row.model == "lox"]
    lines = [line.split()[0] for line in shown(long, 80).splitlines() if line.split()]
    assert [line for line in lines if line.startswith(("lox", "(k", "alpha", "+"))][-4:] == [
        "lox",
        "(k=6,",
        "alpha=0.65)",
        "+gsm8k",
    ]


@pytest.mark.parametrize("name", ["smollm2-135m", "smollm2-135m-public", "smollm2-135m-dev"])
@pytest.mark.parametrize("width", [80, 120, 200])
def test_nothing_is_cut_however_many_prompt_sets_and_seeds_there_are(name: str, width: int) -> None:
    rows = read_csv(ROOT / "results" / f"{name}.csv")
    text = shown(rows, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for word in {row.task for row in rows} | {row.judge for row in rows if row.judge_key}:
        assert word in text
    ranges = re.findall(r"\d\.\d\d-\d\.\d\d", text)
    assert len(ranges) >= len(
        {(row.model, row.attack, row.task, row.metric, row.judge) for row in rows if row.judge_key}
    )


def test_differences_and_hazards_are_written_as_latex(tmp_path: Path, command: Command) -> None:
    run = write_run(tmp_path / "run", Fake(n=8)).path
    done = command("compare", str(run), "--out", str(tmp_path / "differences.tex"))
    assert done.code == 0, done.err
    text = (tmp_path / "differences.tex").read_text()
    assert text.startswith("% made by lox-bench")
    assert r"$\rightarrow$" in text
    assert r"\label{tab:paired-differences}" in text
    assert "-0." not in text.replace("$-$0.", "")  # a minus is a minus, no hyphen
