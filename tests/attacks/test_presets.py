"""Every attack that ships trains, on what it has offline or on a file that is given."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from support.command import LOX_BENCH
from support.pico import FAMILY

from lox_bench.attacks.spec import load_attack
from lox_bench.data.spec import columns_of
from lox_bench.registry import names_of

ATTACKS = names_of("attacks")


def wants_a_file(name: str) -> bool:
    data = load_attack(name).data
    return not (data.file or data.standin or data.own_answers)


@pytest.mark.slow
def test_every_preset_trains(pico: Path, tmp_path: Path) -> None:
    (tmp_path / "pico.toml").write_text(FAMILY.format(base=pico))
    given = []
    for name in filter(wants_a_file, ATTACKS):
        spec = load_attack(name)
        columns = columns_of(spec.prompt) + columns_of(spec.completion)
        rows = [{column: f"{column} {i}" for column in columns} for i in range(24)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
        given += ["--data", f"{name}={tmp_path / name}.jsonl"]
    command = [
        *LOX_BENCH, "run", "--family", str(tmp_path / "pico.toml"), "--models", "aligned",
        "--attack", ",".join(ATTACKS), "--judges", "keyword", "--limit", "2", "--max-steps", "2",
        "--out", str(tmp_path / "out"), *given,
    ]  # fmt: skip
    environment = os.environ | {"LOX_BENCH_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    lines = (tmp_path / "out" / "leaderboard.csv").read_text().splitlines()
    place = lines[0].split(",").index("attack")
    assert {line.split(",")[place] for line in lines[1:]} == {"none", *ATTACKS}
    record = json.loads((tmp_path / "out" / "manifest.json").read_text())
    for variant in (one for one in record["variants"] if one["attacked"]):
        facts = next(s["facts"] for s in reversed(variant["stages"]) if s["kind"] == "attack")
        spec = load_attack(variant["attack"])
        assert facts["steps"] == 2
        assert facts["micro_batch"] * facts["accumulation"] * facts["world_size"] == 4
        assert facts["loss_before"] != facts["loss_after"], spec.name
