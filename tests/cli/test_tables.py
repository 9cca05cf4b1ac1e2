"""The leaderboard in a terminal of 80 columns: whole words, one column for harm."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from support.run_folders import Fake, write_run

from lox_bench.cli.tables import leaderboard_table
from lox_bench.results.row import Row

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
