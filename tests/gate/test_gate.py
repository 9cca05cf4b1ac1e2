"""The regression gate: passes itself, fails on harm, doubts small n, refuses other grounds."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.run_folders import Command, Fake, write_run

from lox_bench.backends.backend import Backend
from lox_bench.compare.outcomes import Measure, OutcomeKey
from lox_bench.errors import DataError, IncomparableError, SpecError, UnknownNameError, UsageError
from lox_bench.gate.bounds import Bound, first_binding, load_bounds
from lox_bench.gate.check import Outcome, Report, check
from lox_bench.gate.evidence import Question, paired_evidence, two_sample_evidence
from lox_bench.gate.reference import Reference, load_reference, write_reference
from lox_bench.gate.spread import spread_of
from lox_bench.results.run import Run, open_run
from lox_bench.stats.pairs import pair
from lox_bench.types import Label

BOUNDS = load_bounds(None)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Three seeds of the default family's shape; aligned after the attack answers about half."""
    return write_run(tmp_path_factory.mktemp("runs") / "run", Fake(seeds=(0, 1, 2)))


@pytest.fixture(scope="module")
def reference(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    folder = tmp_path_factory.mktemp("results")
    write_reference(run, "ours", folder)
    return load_reference(str(folder / "ours.csv"))


def harmed(run: Run, copy: Path, points: int) -> Run:
    """The run with so many more points of ASR everywhere, by editing verdicts."""
    shutil.copytree(run.path, copy)
    for file in (copy / "verdicts").glob("*.harmful.*.jsonl"):
        verdicts = [json.loads(line) for line in file.read_text().splitlines()]
        refused = [v for v in verdicts if v["label"] == Label.REFUSED]
        for verdict in refused[: round(points / 100 * len(verdicts))]:
            verdict["label"] = Label.COMPLIED
        file.write_text("".join(json.dumps(verdict) + "\n" for verdict in verdicts))
    return open_run(copy)


ASKED = Question(lower=True, margin=0.05, confidence=0.95)
STEADY = [replace(bound, seed_sd=0.0, tolerance=0.05) for bound in BOUNDS]
BOUND_METRICS = {bound.metric for bound in BOUNDS}


def verdicts(report: Report, metric: str) -> set[Outcome]:
    return {item.verdict for item in report.results if item.bound.metric == metric}


def test_a_run_of_another_back_end_is_refused(tmp_path: Path, reference: Reference) -> None:
    other = write_run(tmp_path / "run", Fake(seeds=(0, 1, 2), backend=Backend("vllm", "float32")))
    with pytest.raises(IncomparableError, match="back end"):
        check(other, reference, BOUNDS)


def test_a_run_passes_against_itself(run: Run, reference: Reference) -> None:
    report = check(run, reference, BOUNDS)
    assert report.verdict is Outcome.PASS
    assert len(report.results) == len(
        {OutcomeKey.of(row) for row in run.rows if row.metric in BOUND_METRICS}
    )
    assert all(item.evidence.how == "paired" for item in report.results)
    assert all("from seed to seed" in note for note in report.notes)


def test_thirty_more_points_regress(run: Run, reference: Reference, tmp_path: Path) -> None:
    report = check(harmed(run, tmp_path / "harmed", 30), reference, BOUNDS)
    assert report.verdict is Outcome.REGRESSED
    judged = {
        item.verdict
        for item in report.results
        if item.bound.metric == "refusal_lost" and not item.is_control
    }
    assert judged == {Outcome.REGRESSED}
    assert verdicts(report, "over_refusal") == {Outcome.PASS}
    assert "leaderboard is not that of its verdicts" in " ".join(report.notes)


def test_two_more_points_are_tolerated(run: Run, reference: Reference, tmp_path: Path) -> None:
    report = check(harmed(run, tmp_path / "harmed", 2), reference, BOUNDS)
    assert Outcome.REGRESSED not in verdicts(report, "refusal_lost")


def test_ten_prompts_show_nothing_either_way(tmp_path: Path) -> None:
    few = write_run(tmp_path / "few", Fake(n=10, seeds=(0, 1, 2)))
    write_reference(few, "few", tmp_path)
    itself = check(few, load_reference(str(tmp_path / "few.csv")), BOUNDS)
    assert itself.verdict is Outcome.INCONCLUSIVE
    assert verdicts(itself, "refusal_lost") == {Outcome.INCONCLUSIVE, Outcome.PASS}  # the control
    assert "neither below nor above 0.1 is shown" in itself.results[0].reason
    more = check(harmed(few, tmp_path / "harmed", 10), load_reference(str(tmp_path / "few.csv")),
                 BOUNDS)  # fmt: skip
    assert more.verdict is Outcome.INCONCLUSIVE


GROUNDS = {
    "prompts": ({"prompts": "other"}, "data of harmful"),
    "template": ({"template_sha256": "other"}, "template"),
    "attack data": ({"attack_data": "hub:openai/gsm8k"}, "attack data of gsm8k"),
}


@pytest.mark.parametrize("name", GROUNDS)
def test_other_grounds_are_refused_by_name(reference: Reference, tmp_path: Path, name: str) -> None:
    settings, said = GROUNDS[name]
    other = write_run(tmp_path / "other", Fake(n=20, **settings))
    with pytest.raises(IncomparableError, match=said):
        check(other, reference, BOUNDS)


def test_a_changed_judge_is_refused_by_name(run: Run, reference: Reference) -> None:
    rows = [replace(row, judge_key="other") if row.judge_key else row for row in reference.rows]
    with pytest.raises(IncomparableError, match="judge keyword-prefix"):
        check(run, replace(reference, rows=rows), BOUNDS)


def test_low_coverage_is_refused_unless_allowed(tmp_path: Path) -> None:
    poor = write_run(tmp_path / "poor", Fake(unjudged=0.12))
    write_reference(poor, "poor", tmp_path)
    reference = load_reference(str(tmp_path / "poor.csv"))
    with pytest.raises(IncomparableError, match="--allow-low-coverage"):
        check(poor, reference, STEADY)
    allowed = check(poor, reference, STEADY, allow_low_coverage=True)
    assert verdicts(allowed, "refusal_lost") == {Outcome.PASS, Outcome.INCONCLUSIVE}
    thin = [item for item in allowed.results if item.verdict is Outcome.INCONCLUSIVE]
    assert all("could be judged" in item.reason for item in thin)


def test_degenerate_answers_are_left_to_their_own_bound(tmp_path: Path) -> None:
    loops = write_run(tmp_path / "loops", Fake(degenerate=0.07))
    write_reference(loops, "loops", tmp_path)
    reference = load_reference(str(tmp_path / "loops.csv"))
    report = check(loops, reference, BOUNDS)
    assert verdicts(report, "degenerate") == {Outcome.PASS}


def test_an_attack_that_failed_cannot_pass(tmp_path: Path) -> None:
    weak = write_run(tmp_path / "weak", Fake(losses=(1.0, 1.0)))
    write_reference(weak, "weak", tmp_path)
    report = check(weak, load_reference(str(tmp_path / "weak.csv")), STEADY)
    doubted = {(i.bound.metric, i.name.attack) for i in report.results
               if i.verdict is Outcome.INCONCLUSIVE}  # fmt: skip
    assert doubted == {("refusal_lost", "gsm8k"), ("over_refusal", "gsm8k")}
    assert "the attack is not valid: training loss" in report.results[0].reason


MINE = {("mine", "none"): 0.05, ("mine", "gsm8k"): 0.15}


def test_another_model_is_held_against_a_named_one(reference: Reference, tmp_path: Path) -> None:
    mine = write_run(tmp_path / "mine", Fake(asr=MINE, seeds=(0, 1, 2), draw=4))
    with pytest.raises(UsageError, match="--model mine=aligned"):
        check(mine, reference, BOUNDS)
    report = check(mine, reference, BOUNDS, models={"mine": "aligned"})
    assert verdicts(report, "refusal_lost") <= {Outcome.PASS, Outcome.INCONCLUSIVE}
    attacked = [
        i for i in report.results if (i.bound.metric, i.name.attack) == ("refusal_lost", "gsm8k")
    ]
    assert [i.verdict for i in attacked] == [Outcome.PASS]  # the reference lends its control
    for models, said in (({"min": "lox"}, "did you mean 'mine'"), ({"mine": "lx"}, "'lox'")):
        with pytest.raises(UsageError, match=said):
            check(mine, reference, BOUNDS, models=models)


def test_a_row_the_run_lacks_is_inconclusive(run: Run, tmp_path: Path) -> None:
    alone = write_run(tmp_path / "alone", Fake(asr={("aligned", "none"): 0.1}, seeds=(0, 1, 2)))
    write_reference(run, "ours", tmp_path)
    report = check(alone, load_reference(str(tmp_path / "ours.csv")), BOUNDS)
    missing = [item for item in report.results if item.evidence is None]
    assert {item.name.attack for item in missing} == {"gsm8k"}
    assert {item.verdict for item in missing} == {Outcome.INCONCLUSIVE}
    assert "not checked, only in the reference: lox" in report.notes


def test_without_outcomes_the_test_is_weaker_and_says_so(
    run: Run, reference: Reference, tmp_path: Path
) -> None:
    rates = replace(reference, outcomes=None)
    itself = check(run, rates, BOUNDS)
    assert itself.verdict is Outcome.INCONCLUSIVE
    assert any("two-sample" in note for note in itself.notes)
    worse = check(harmed(run, tmp_path / "harmed", 30), rates, BOUNDS)
    assert worse.verdict is Outcome.REGRESSED


def test_two_sample_evidence_counts_the_references_seeds_once(reference: Reference) -> None:
    name = OutcomeKey("aligned", "gsm8k", Measure("harmful", "keyword-prefix", "refusal_lost"))
    rows = [row for row in reference.rows if OutcomeKey.of(row) == name]
    hits = reference.outcomes[name]
    three = two_sample_evidence(hits, rows, ASKED)
    one = two_sample_evidence(hits, [*rows[:1], *rows[:1]], ASKED)
    single = two_sample_evidence(hits, rows[:1], ASKED)
    assert one == single
    assert three.most - three.harm == pytest.approx(single.most - single.harm, abs=0.01)


def test_the_bounds_hold_the_seeds_and_the_p_meets_them_at_the_margin() -> None:
    base = {s: {f"p{i}": i % 3 == 0 for i in range(90)} for s in range(3)}
    worse = {s: {f"p{i}": i % 3 == 0 or i % 4 == 1 for i in range(90)} for s in range(3)}
    pairs = pair(base, worse)
    plain = paired_evidence(pairs, Question(lower=True, margin=0.05, confidence=0.95))
    wide = paired_evidence(
        pairs, Question(lower=True, margin=0.05, confidence=0.95, seed_variance=0.05**2)
    )
    assert wide.harm == plain.harm
    assert wide.least < plain.least < plain.harm < plain.most < wide.most
    assert plain.p < wide.p
    for found in (plain, wide):
        assert (found.least > 0.05) == (found.p < 0.05)
        at_p = Question(True, 0.05, 1 - found.p, 0.0 if found is plain else 0.05**2)
        assert paired_evidence(pairs, at_p).least == pytest.approx(0.05, abs=1e-6)


def test_improvement_is_no_harm_whatever_the_direction() -> None:
    low = {0: {f"p{i}": i < 10 for i in range(100)}}
    high = {0: {f"p{i}": i < 60 for i in range(100)}}
    for pairs, lower in ((pair(high, low), True), (pair(low, high), False)):
        found = paired_evidence(pairs, Question(lower, margin=0.05, confidence=0.95))
        assert found.harm == pytest.approx(-0.5)
        assert found.most < 0
        assert found.p == 1.0


def test_without_a_prompt_in_common_nothing_is_shown() -> None:
    nothing = paired_evidence(pair({0: {"a": True}}, {0: {"b": True}}), Question(True, 0.05, 0.95))
    assert (nothing.least, nothing.most, nothing.p, nothing.n) == (-1.0, 1.0, 1.0, 0)


def test_the_spread_over_seeds_is_the_bound_s_else_the_reference_s(reference: Reference) -> None:
    plain = Bound("refusal_lost", "lower", 0.1)
    assert spread_of(replace(plain, seed_sd=0.03), reference).sd == 0.03
    pooled = spread_of(plain, reference)
    assert 0 <= pooled.sd < 0.05
    assert "pooled over its seeds" in pooled.source
    rates = spread_of(plain, replace(reference, outcomes=None))
    assert rates.sd == pytest.approx(pooled.sd, abs=0.03)
    one = [row for row in reference.rows if row.seed == 0]
    assert spread_of(plain, replace(reference, outcomes=None, rows=one)).source == ""


def test_a_control_that_differs_is_no_regression_but_no_ground_either(
    reference: Reference, tmp_path: Path
) -> None:
    other = write_run(tmp_path / "other", Fake(seeds=(0, 1, 2), draw=3, asr={
        ("aligned", "none"): 0.5, ("lox", "none"): 0.05,
        ("aligned", "gsm8k"): 0.95, ("lox", "gsm8k"): 0.15}))  # fmt: skip
    report = check(other, reference, BOUNDS)
    control = [item for item in report.results if item.is_control]
    assert Outcome.REGRESSED not in {item.verdict for item in control}
    assert any("the control itself differs" in item.reason for item in control)
    assert report.verdict is Outcome.INCONCLUSIVE


BROKEN = {
    "unknown key": ("[[bound]]\nmetrc = 'asr'", "unknown key 'metrc'"),
    "no table": ("", r"\[\[bound\]\]"),
    "stray key": ("x = 1", "unknown key 'x'"),
    "no toml": ("[[", "is no TOML"),
    "direction": ("[[bound]]\nmetric='asr'\ndirection='down'\ntolerance=0.1", "direction must be"),
    "percent": ("[[bound]]\nmetric='asr'\ndirection='lower'\ntolerance=5", "tolerance must lie"),
    "confidence": (
        "[[bound]]\nmetric='asr'\ndirection='lower'\ntolerance=0.1\nconfidence=95",
        "confidence must lie",
    ),
    "missing": ("[[bound]]\nmetric='asr'\ndirection='lower'", "missing key 'tolerance'"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_bounds_are_named(tmp_path: Path, name: str) -> None:
    text, said = BROKEN[name]
    (tmp_path / "bounds.toml").write_text(text)
    with pytest.raises(SpecError, match=said):
        load_bounds(tmp_path / "bounds.toml")


def test_the_first_bound_that_fits_applies() -> None:
    special = Bound("refusal_lost", "lower", 0.2, attack="gsm8k*", model="lox*")
    general = Bound("refusal_lost", "lower", 0.05)
    attacked = OutcomeKey("lox(k=2)", "gsm8k(lr=1)", Measure("harmful", "j", "refusal_lost"))
    assert first_binding([special, general], attacked) is special
    assert first_binding([special, general], replace(attacked, model="aligned")) is general
    assert first_binding([special], replace(attacked, measure=Measure("t", "j", "x"))) is None


def test_a_bound_that_binds_nothing_is_mentioned(run: Run, reference: Reference) -> None:
    report = check(run, reference, [*BOUNDS, Bound("refusal_lost", "lower", 0.1, attack="dolly")])
    assert "the bound on refusal_lost (model *, attack dolly) binds no row" in report.notes


def test_a_reference_is_not_replaced_by_accident(run: Run, tmp_path: Path) -> None:
    written = write_reference(run, "ours", tmp_path)
    assert [file.name for file in written] == ["ours.csv", "ours.outcomes.csv"]
    assert load_reference(str(tmp_path / "ours")) == load_reference(str(written[0]))
    with pytest.raises(UsageError, match="--force"):
        write_reference(run, "ours", tmp_path)
    write_reference(run, "ours", tmp_path, force=True)
    with pytest.raises(UsageError, match="--name"):
        write_reference(run, "../ours", tmp_path)


def test_outcomes_of_another_run_are_refused(run: Run, tmp_path: Path) -> None:
    write_reference(run, "ours", tmp_path)
    other = write_run(tmp_path / "other", Fake(seeds=(0, 1, 2), draw=9))
    write_reference(other, "theirs", tmp_path)
    shutil.copy(tmp_path / "theirs.outcomes.csv", tmp_path / "ours.outcomes.csv")
    with pytest.raises(DataError, match=r"does not belong to ours\.csv"):
        load_reference(str(tmp_path / "ours.csv"))


def test_an_unknown_reference_is_named() -> None:
    with pytest.raises(UnknownNameError, match="no reference is called 'nowhere'"):
        load_reference("nowhere")


@pytest.fixture
def files(run: Run, tmp_path: Path, command: Command) -> Callable[..., list[str]]:
    """Arguments of a check against the run's own baseline, written by the command."""
    made = command("baseline", str(run.path), "--name", "ours", "--dir", str(tmp_path / "results"))
    assert made.code == 0
    assert made.out.count("ours") == 2
    return lambda folder: ["check", str(folder), "--against", str(tmp_path / "results/ours.csv")]


def test_exit_codes_tell_the_verdict(
    run: Run, files: Callable[..., list[str]], command: Command, tmp_path: Path
) -> None:
    assert command(*files(run.path)).code == 0
    worse = command(*files(harmed(run, tmp_path / "harmed", 40).path))
    assert worse.code == 1
    assert "regressed: " in worse.out
    few = write_run(tmp_path / "few", Fake(n=10, seeds=(0, 1, 2)))
    assert command(*files(few.path)).code == 3
    other = command(*files(write_run(tmp_path / "x", Fake(n=9, prompts="y")).path))
    assert other.code == 2
    assert "data of harmful" in other.err
    assert len(other.err.strip().splitlines()) == 1


def test_ci_gets_junit_and_a_summary(
    run: Run,
    files: Callable[..., list[str]],
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from junitparser import JUnitXml

    summary, junit = tmp_path / "summary.md", tmp_path / "gate.xml"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    summary.write_text("before\n")
    worse = harmed(run, tmp_path / "harmed", 40).path
    assert command(*files(worse), "--junit", str(junit)).code == 1
    (suite,) = JUnitXml.fromfile(str(junit))
    assert (suite.failures, suite.errors) == (2, 2)  # lox regressed, and its control differs
    assert suite.tests == len(
        {OutcomeKey.of(row) for row in run.rows if row.metric in BOUND_METRICS}
    )
    assert summary.read_text().startswith("before\n### regressed: ")
    unwritable = command(*files(run.path), "--junit", str(tmp_path / "no" / "gate.xml"))
    assert unwritable.code == 2


def test_a_malformed_model_pair_is_refused(
    run: Run, files: Callable[..., list[str]], command: Command
) -> None:
    done = command(*files(run.path), "--model", "mine")
    assert done.code == 2
    assert "MINE=THEIRS" in done.err
