"""The third party's package installs, conforms, and stands on a leaderboard."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import LOX_BENCH
from support.doc_world import install
from support.pico import FAMILY

from lox_bench.results.run import open_run

PACKAGE = Path(__file__).parents[2] / "examples" / "own-method"


@pytest.mark.slow
def test_from_a_package_to_the_leaderboard(pico: Path, tmp_path: Path) -> None:
    install(PACKAGE, tmp_path / "site")
    environment = os.environ | {
        "PYTHONPATH": str(tmp_path / "site"),
        "LOX_BENCH_CACHE": str(tmp_path / "cache"),
        "HF_HUB_OFFLINE": "1",
        "COLUMNS": "200",
    }
    (tmp_path / "pico.toml").write_text(FAMILY.format(base=pico))

    def call(*arguments: str) -> str:
        done = subprocess.run(
            arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    tests = str(PACKAGE / "tests")
    assert "2 passed" in call(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests)
    assert "share=0.5: a finite number of 0 to 4" in call(*LOX_BENCH, "list", "methods", "--load")
    call(*LOX_BENCH, "run", "--family", "pico.toml", "--models", "aligned,half-step(share=1)",
         "--judges", "keyword", "--limit", "3", "--max-steps", "1", "--out", "run")  # fmt: skip
    call(*LOX_BENCH, "leaderboard", "run", "--out", "board")
    assert "half-step(share=1)" in (tmp_path / "board" / "leaderboard.md").read_text()
    rows = open_run(tmp_path / "run").rows
    assert {row.model for row in rows} == {"aligned", "half-step(share=1)"}
