"""Every attack that ships trains, on what it has offline or on a file that is given."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from support.pico import FAMILY

from lox_bench.attacks.spec import load_attack
from lox_bench.data.user_file import read_user_file
from lox_bench.registry import names_of

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "attack_presets.py"
ATTACKS = names_of("attacks")


def wants_a_file(name: str) -> bool:
    data = load_attack(name).data
    return not (data.file or data.standin or data.own_answers)


def test_files_are_given_to_those_that_bring_none(tmp_path: Path) -> None:
    given = runpy.run_path(str(SCRIPT))["GIVEN"]
    assert {*given} == {*filter(wants_a_file, ATTACKS)}
    for name, text in given.values():
        (tmp_path / name).write_text(text())
        assert len(read_user_file(tmp_path / name, what="data file").rows) == 24


@pytest.mark.slow
def test_every_preset_trains(pico: Path, tmp_path: Path) -> None:
    """The benchmark that fills the table of docs/attacks.md, on a pico family."""
    (tmp_path / "pico.toml").write_text(FAMILY.format(base=pico))
    environment = os.environ | {"LOX_BENCH_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, str(SCRIPT), "--family", str(tmp_path / "pico.toml")]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    rows = [line.strip("| ").split(" | ") for line in ended.stdout.splitlines()[2:]]
    assert [row[0].strip("`") for row in rows] == ATTACKS
    for name, _, batch, losses, probe, _ in rows:
        assert batch == "4 x 1 x 1", name
        assert len(losses.split(", ")) == 2
        before, after = map(float, probe.split(", "))
        adapts = load_attack(name.strip("`")).train.lora_r  # at their rate two steps hardly show
        assert adapts or before != after, name
