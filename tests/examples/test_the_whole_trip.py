"""The example runs as it stands, and its stages are those of the main job."""

import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lox_bench.stats.intervals import wilson
from lox_bench.study.measure import graph_of
from lox_bench.study.request import Request
from lox_bench.study.study import make_study

TRIP = Path(__file__).parents[2] / "examples" / "the_whole_trip.py"
ASKED = 3


def trip(pico: Path, store: Path) -> tuple[list[str], dict[str, str]]:
    """The lines of a trip, and the row at its end."""
    options = ["--store", str(store), "--steps", "2", "--limit", str(ASKED)]
    done = subprocess.run(
        [sys.executable, str(TRIP), str(pico), *options],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(store / "hf")},
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    (row,) = csv.DictReader(lines[-2:])
    return lines, row


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def first(pico: Path, store: Path) -> tuple[list[str], dict[str, str]]:
    return trip(pico, store)


@pytest.mark.slow
def test_every_stage_is_made_once_and_the_row_is_counted_right(
    first: tuple[list[str], dict[str, str]],
) -> None:
    lines, row = first
    made = [line.split()[1] for line in lines if line.startswith("...")]
    for kind in ("fetch", "preference", "align", "harden", "attack", "generate", "judge"):
        assert made.count(kind) == 1
    assert (row["model"], row["attack"], row["metric"]) == ("lox", "gsm8k", "refusal_lost")
    hits, n = int(row["hits"]), int(row["n"])
    assert n + int(row["unjudged"]) == ASKED
    interval = [f"{end:.3f}" for end in wilson(hits, n)]
    assert [row["ci_low"], row["ci_high"]] == interval
    assert row["value"] == (f"{hits / n:.3f}" if n else "nan")


@pytest.mark.slow
def test_a_second_trip_makes_nothing(
    first: tuple[list[str], dict[str, str]], pico: Path, store: Path
) -> None:
    lines, row = trip(pico, store)
    assert not [line for line in lines if line.startswith("...")]
    assert row == first[1]


def test_its_stages_are_those_of_the_main_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the default base, the store of `lox-bench run` serves the trip, and the other way."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    said: dict[str, Any] = {}
    text, _, _ = TRIP.read_text(encoding="utf-8").partition("# 6.")
    monkeypatch.setattr(sys, "argv", ["trip"])
    exec(compile(text, str(TRIP), "exec"), said)  # noqa: S102 - our own file, up to its execution
    study = make_study(Request(judges="keyword-prefix", models="lox"))
    stages = {stage.key for stage in graph_of(study).order}
    assert {
        said[name].key for name in ("aligned", "hardened", "attacked", "answers", "verdicts")
    } <= stages
