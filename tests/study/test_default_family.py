"""The default family for real, a few steps of each training: `make test-slow`."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-c", "from lox_bench.cli.main import entry; entry()", "run"]


@pytest.mark.slow
def test_the_main_job_runs_on_a_real_model(tmp_path: Path) -> None:
    options = ["--models", "base,aligned,lox", "--limit", "8", "--max-steps", "3", "--out", "out"]
    done = subprocess.run(
        [*COMMAND, *options],
        cwd=tmp_path,
        env={**os.environ, "LOX_BENCH_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out" / "leaderboard.csv").open() as file:
        rows = list(csv.DictReader(file))
    asr = {
        (r["model"], r["attack"]): float(r["value"]) for r in rows if r["metric"] == "refusal_lost"
    }
    assert asr["base", "none"] >= 0.6  # a base model that answers, as 8 prompts can show
    assert set(asr) == {(m, a) for m in ("base", "aligned", "lox") for a in ("none", "gsm8k")}
    for row in rows:
        if row["attack"] == "gsm8k":
            assert float(row["loss_after"]) < float(row["loss_before"])
