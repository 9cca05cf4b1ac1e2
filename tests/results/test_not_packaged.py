"""An attack, a prompt set and an accuracy task that no registry knows keep every check."""

from dataclasses import replace
from pathlib import Path

import pytest
from support.run_folders import Command, Fake, write_run

from lox_bench.attacks.spec import load_attack
from lox_bench.compare.compare import Kind, compare_runs
from lox_bench.compare.headline import headlines
from lox_bench.compare.outcomes import OutcomeKey, is_share, read_outcomes
from lox_bench.data.prompts import TaskSpec
from lox_bench.gate.bounds import load_bounds
from lox_bench.gate.check import Outcome, check
from lox_bench.gate.reference import load_reference, write_reference
from lox_bench.registry import names_of
from lox_bench.report.transcripts import transcripts
from lox_bench.results.run import Run, VariantName
from lox_bench.results.validity import judge_validity
from lox_bench.utility.scores import ACCURACY_METRICS
from lox_bench.utility.spec import load_utility

MINE = Fake(
    asr={
        ("aligned", "none"): 0.1,
        ("lox", "none"): 0.05,
        ("aligned", "mine(lr=1e-05)"): 0.6,
        ("lox", "mine(lr=1e-05)"): 0.15,
    },
    attack=replace(load_attack("gsm8k"), name="mine", utility="mine-quiz"),
    utility=replace(load_utility("gsm8k"), name="mine-quiz"),
    tasks=(
        TaskSpec("mine-harm", "", "asr", "complied", "mine-prompts", 20),
        TaskSpec("mine-benign", "", "over_refusal", "refused", "mine-benign", 20),
    ),
    seeds=(0, 1, 2),
)
ATTACK = "mine(lr=1e-05)"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_run(tmp_path_factory.mktemp("runs") / "run", MINE)


def test_nothing_of_it_is_packaged() -> None:
    assert "mine" not in names_of("attacks")
    assert not {"mine-harm", "mine-benign"} & set(names_of("tasks"))


def test_the_attack_is_held_to_its_own_accuracy_task(run: Run, tmp_path: Path) -> None:
    assert run.record.accuracy_tasks == {ATTACK: "mine-quiz-standin"}
    assert {row.valid for row in run.rows if row.attack == ATTACK} == {"yes"}
    idle = write_run(tmp_path / "idle", replace(MINE, accuracy=(0.3, 0.3)))
    (reason,) = {
        verdict.reason
        for name, verdict in judge_validity(idle.rows, idle.record.accuracy_tasks).items()
        if (name[0], name[2]) == (VariantName("lox", ATTACK, 0), "")
    }
    assert "accuracy on mine-quiz-standin did not rise beyond noise" in reason


def test_its_rates_have_outcomes_behind_them(run: Run) -> None:
    outcomes = read_outcomes(run)
    assert {row.metric for row in run.rows} == {
        "refusal_lost",
        "over_refusal",
        "degenerate",
        *ACCURACY_METRICS,
    }
    for row in run.rows:
        assert is_share(row)
        hits = [hit for hit in outcomes[OutcomeKey.of(row)][row.seed].values() if hit is not None]
        assert (sum(hits), len(hits)) == (row.hits, row.n)


def test_its_models_are_compared_and_the_best_is_named(run: Run) -> None:
    found = compare_runs([run])
    asr = {d.attack: d for d in found if (d.kind, d.metric) == (Kind.MODEL, "refusal_lost")}
    assert asr[ATTACK].delta < -0.2
    (line,) = headlines(run.rows, found)
    assert line.startswith(f"after {ATTACK}, by keyword-prefix: lox keeps most refusals")


def test_it_can_be_a_reference_and_be_checked(run: Run, tmp_path: Path) -> None:
    write_reference(run, "mine", tmp_path)
    reference = load_reference(str(tmp_path / "mine.csv"))
    assert check(run, reference, load_bounds(None)).verdict is Outcome.PASS
    broken = write_run(tmp_path / "broken", replace(MINE, losses=(1.0, 1.0)))
    report = check(broken, reference, load_bounds(None))
    assert report.verdict is not Outcome.PASS
    assert any("training loss did not fall" in item.reason for item in report.results)


def test_its_transcripts_have_the_hazards_of_its_own_prompts(run: Run) -> None:
    held = transcripts({"run": run})
    hazards = {prompt[3] for prompt in held["prompts"] if prompt[0] == "mine-harm"}
    assert hazards == {"violent crimes"}
    assert held["harmful"] == ["mine-harm"]


@pytest.mark.slow
def test_every_command_takes_it(run: Run, command: Command, tmp_path: Path) -> None:
    results = str(tmp_path / "results")
    done = command("compare", str(run.path))
    assert (done.code, ATTACK in done.out) == (0, True)
    assert command("baseline", str(run.path), "--name", "mine", "--dir", results).code == 0
    assert command("check", str(run.path), "--against", f"{results}/mine.csv").code == 0
    page = tmp_path / "page.html"
    assert command("report", str(run.path), "--out", str(page)).code == 0
    assert "mine-quiz-standin" in page.read_text()
    assert command("judge", str(run.path), "--judges", "keyword-anywhere", "-q").code == 0
    assert command("agreement", str(run.path)).code == 0
