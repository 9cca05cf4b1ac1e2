"""``--json`` prints one JSON value and nothing else, ``--quiet`` nothing, in every command."""

import json
from pathlib import Path

import pytest
from support.run_folders import Command, Fake, write_run

RUN = ("leaderboard runs/r --out board", "report runs/r --out page.html",
       "report runs/r --tables tables --format latex", "export runs/r --out lm-eval",
       "baseline runs/r --name mine --dir results")  # fmt: skip
THERE = ("cache size", "cache list", "cache verify", "cache prune", "runs list", "data list",
         "data verify", "list runs")  # fmt: skip
WRITTEN = {"board/leaderboard.csv", "page.html", "results/mine.csv"}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOX_BENCH_CACHE", str(tmp_path / "cache"))
    write_run(tmp_path / "runs" / "r", Fake(n=8))
    return tmp_path


def test_what_is_written_is_told_as_json(here: Path, command: Command) -> None:
    for line in RUN:
        done = command(*line.split(), "--json")
        assert done.code == 0, done.err
        held = json.loads(done.out)
        assert held, line
        assert all((here / item["path"]).is_file() for item in held if "path" in item)
    assert all((here / file).is_file() for file in WRITTEN)


def test_quiet_is_quiet(here: Path, command: Command) -> None:
    for line in RUN:
        done = command(*line.split(), "--quiet")
        assert (done.code, done.out) == (0, ""), line
    assert all((here / file).is_file() for file in WRITTEN)
    done = command("check", "runs/r", "--against", "results/mine.csv", "--quiet")
    assert (done.code in {0, 3}, done.out) == (True, "")


@pytest.mark.parametrize("line", THERE)
@pytest.mark.usefixtures("here")
def test_what_is_there_is_told_as_json(line: str, command: Command) -> None:
    done = command(*line.split(), "--json")
    assert done.code == 0, done.err
    json.loads(done.out)


@pytest.mark.usefixtures("here")
def test_a_reproduction_s_obstacles_are_told_as_json(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("lox_bench.study.obstacles._reached", lambda _: "no: asked of no one")
    done = command("reproduce", "lox-paper", "--quick", "--dry-run", "--json")
    assert done.code == 0, done.err
    parts = {part["part"]: part for part in json.loads(done.out)}
    assert set(parts) == {"main", "k-alpha", "rows", "strength"}
    assert any("pure-bad" in item["what"] for item in parts["main"]["obstacles"])
