"""Outcomes: what a run's numbers are shares of, and how a reference keeps it."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from support.run_folders import Fake, write_run

from lox_bench.compare.outcomes import (
    Measure,
    OutcomeKey,
    outcomes_from_csv,
    outcomes_to_csv,
    read_outcomes,
)
from lox_bench.errors import DataError
from lox_bench.gate.bounds import load_bounds
from lox_bench.gate.check import check
from lox_bench.gate.reference import load_reference, write_reference
from lox_bench.results.row import to_csv
from lox_bench.results.run import Run, open_run
from lox_bench.utility.scores import ACCURACY_METRICS


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    fake = Fake(seeds=(0, 2), n=30, degenerate=0.2)
    return write_run(tmp_path_factory.mktemp("runs") / "run", fake)


def test_every_rate_is_the_share_of_its_outcomes(run: Run) -> None:
    outcomes = read_outcomes(run)
    assert {row.metric for row in run.rows} == {
        "refusal_lost",
        "over_refusal",
        "degenerate",
        *ACCURACY_METRICS,
    }
    for row in run.rows:
        hits = list(outcomes[OutcomeKey.of(row)][row.seed].values())
        judged = [hit for hit in hits if hit is not None]
        assert (len(judged), len(hits) - len(judged)) == (row.n, row.unjudged)
        assert sum(judged) / len(judged) == pytest.approx(row.value, abs=1e-5)


def test_outcomes_survive_the_file_unjudged_and_unasked_ones_too(run: Run, tmp_path: Path) -> None:
    name = OutcomeKey("mine", "none", Measure("t", "j", "refusal_lost"))
    odd = {name: {0: {"p": True, "q": None}, 5: {"q": False}}}
    for outcomes in (read_outcomes(run), odd):
        (tmp_path / "o.csv").write_text(outcomes_to_csv(outcomes))
        assert outcomes_from_csv(tmp_path / "o.csv") == outcomes


def test_a_judges_scores_are_no_outcomes(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "scored")
    mean = replace(run.rows[0], metric="harmfulness", value=3.5, hits=None)
    (tmp_path / "scored" / "leaderboard.csv").write_text(to_csv([*run.rows, mean]))
    scored = open_run(tmp_path / "scored")
    assert read_outcomes(scored) == read_outcomes(run)
    write_reference(scored, "scored", tmp_path)
    assert check(scored, load_reference(str(tmp_path / "scored")), load_bounds(None),
                 allow_low_coverage=True).results  # fmt: skip


def test_no_text_of_an_answer_is_kept(run: Run) -> None:
    assert "text" not in outcomes_to_csv(read_outcomes(run))


def test_prompts_asked_twice_are_kept_apart(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", Fake(n=5))
    for file in run.path.glob("completions/*utility*"):
        file.write_text(file.read_text().replace("sum 3", "sum 1"))
    sizes = {len(hits) for series in read_outcomes(run).values() for hits in series.values()}
    assert sizes == {5}


@pytest.mark.parametrize("broken", ["0 1,1", "0,2", "x,1"])
def test_a_broken_line_is_named(tmp_path: Path, broken: str) -> None:
    head = "model,attack,task,judge,metric,prompt,seeds,outcomes\n"
    (tmp_path / "o.csv").write_text(f"{head}m,none,t,j,asr,p,{broken}\n")
    with pytest.raises(DataError, match="line 2"):
        outcomes_from_csv(tmp_path / "o.csv")
