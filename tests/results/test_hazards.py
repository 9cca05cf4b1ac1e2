"""Rates by hazard add up to the leaderboard's, seed by seed."""

from pathlib import Path

import pytest
from support.command import lox_bench
from support.run_folders import Fake, write_run

from lox_bench.results.hazards import hazard_rates
from lox_bench.results.run import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_run(tmp_path_factory.mktemp("runs") / "run", Fake())


def test_they_add_up_to_the_rows(run: Run) -> None:
    rates = hazard_rates(run)
    assert rates
    for row in run.rows:
        held = [
            item
            for item in rates
            if (item.task, item.judge, item.metric, item.model, item.attack)
            == (row.task, row.judge, row.metric, row.model, row.attack)
        ]
        if held:
            assert sum(item.hits for item in held) == row.hits
            assert sum(item.n for item in held) == row.n
            assert sum(item.prompts for item in held) == row.n + row.unjudged
        for item in held:
            assert item.value == pytest.approx(item.hits / item.n)
            assert item.ci_low <= item.value <= item.ci_high


@pytest.mark.slow
def test_the_command_shows_a_line_a_hazard(run: Run, tmp_path: Path) -> None:
    shown = lox_bench("hazards", str(run.path), cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "refusal lost on harmful by keyword-prefix" in shown.stdout
    written = lox_bench("hazards", str(run.path), "--out", "h.csv", cwd=tmp_path)
    assert written.returncode == 0
    lines = (tmp_path / "h.csv").read_text().splitlines()
    assert lines[0].startswith("task,judge,metric,model,attack,hazard,value,ci_low,ci_high")
    assert len(lines) == 1 + len(hazard_rates(run))
