"""``lox-bench reproduce``: what is in the way is said first, what is left runs, side by side."""

import csv
from pathlib import Path

import pytest
from support.pico import FAMILY
from support.run_folders import Command

from lox_bench.compare.published import published
from lox_bench.report.side_by_side import sides
from lox_bench.results.run import open_run
from lox_bench.study.file import load_study
from lox_bench.study.obstacles import Room, runnable
from lox_bench.study.reproduction import load_reproduction

QUICK = ["reproduce", "lox-paper", "--quick", "--family", "pico.toml"]


@pytest.fixture
def work(tmp_path: Path, pico: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the pico family, away from the network."""
    (tmp_path / "pico.toml").write_text(FAMILY.format(base=pico))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOX_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("lox_bench.study.obstacles._reached", lambda _: "yes")  # asks pip's index
    return tmp_path


def test_every_part_is_a_study_in_full_and_in_small() -> None:
    for part in load_reproduction("lox-paper").parts:
        full, quick = part.asked(quick=False), part.asked(quick=True)
        assert full.families == ("llama2-7b",)
        assert full.strict_data
        assert quick.families == ("smollm2-135m",)
        assert {item.split("(")[0] for item in quick.attacks} <= {
            item.split("(")[0] for item in full.attacks
        }


def test_a_part_that_is_missing_is_named(work: Path, command: Command) -> None:
    done = command(*QUICK, "--part", "mian")
    assert done.code == 2
    assert "lox-paper has no part 'mian'; it has main, k-alpha, rows, strength" in done.err
    assert not (work / "runs").exists()


def test_what_cannot_be_run_is_said_and_nothing_is_written(work: Path, command: Command) -> None:
    done = command(*QUICK, "--part", "main", "--dry-run")
    assert done.code == 0, done.err
    assert "cannot be run here: attack pure-bad:" in done.err
    assert not (work / "runs").exists()


def test_memory_and_disk_that_are_too_small_are_obstacles(work: Path) -> None:
    study = load_study("lox-paper-rows-quick")
    from lox_bench.judges.verdicts import Bench

    tight = runnable(study, Bench(work), Room(memory=1e9, disk=1e9))
    assert tight.study is None
    memory, disk = (item.why for item in tight.obstacles if "smollm2" in item.what)
    assert "2 GB of memory, 1 GB are here" in memory
    assert "GB of weights would stay" in disk  # base, aligned, two models after three attacks


@pytest.mark.slow
def test_the_rest_runs_and_stands_beside_what_was_published(work: Path, command: Command) -> None:
    small = ["--limit", "4", "--max-steps", "1"]
    done = command(*QUICK, "--part", "main,rows", *small, "--out", "made")
    assert done.code == 0, done.err
    with (work / "made" / "side_by_side.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert {line["attack"] for line in lines if line["n"] != "0"} == {
        "gsm8k", "dolly", "alpaca", "identity"
    }  # fmt: skip
    assert {line["agrees"] for line in lines if line["attack"] == "pure-bad"} == {"not run"}
    text = (work / "made" / "reproduction.md").read_text()
    assert "0.52 → 0.07" in text
    assert "## k-alpha: how much LoX: k and alpha\n\nNot run." in text
    again = command(*QUICK, "--part", "main,rows", *small, "--out", "made")
    assert again.code == 0, again.err  # from the cache, into the same folders
    found = sides(open_run(work / "made" / "main"), published("llama2-7b"))
    assert {line.agrees for line in found if line.n} <= {"not shown", "not valid"}  # four prompts
