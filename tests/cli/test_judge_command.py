"""``lox-bench judge`` and model judges in ``run``: incremental, resumable, never silent."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.loopback import Loopback, served
from support.pico import FAMILY, save_pico
from support.sample import RECORD, VARIANT

from lox_bench.cli.main import entry
from lox_bench.codec import write_records
from lox_bench.results.leaderboard import leaderboard
from lox_bench.results.record import PromptsRecord, save_record
from lox_bench.results.row import Row, read_csv, to_csv
from lox_bench.results.run import VariantName, completions_file, open_run
from lox_bench.types import Completion, Defect, Finish, Label

NAMES = [VariantName("aligned", "none", 0), VariantName("aligned", "gsm8k", 0)]
TASKS = {"harmful": ("asr", "complied"), "lookalike": ("over_refusal", "refused")}
Command = Callable[..., int]


@pytest.fixture
def lox_bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """The command line, in this process; returns the exit code."""
    monkeypatch.setenv("LOX_BENCH_CACHE", str(tmp_path / "cache"))

    def call(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["lox-bench", *map(str, arguments)])
        try:
            entry()
        except SystemExit as stopped:
            return int(stopped.code or 0)
        return 0

    return call


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run as ``run`` writes it: two models, two tasks, one degenerate answer a task."""
    folder = tmp_path / "run"
    (folder / "completions").mkdir(parents=True)
    for cell in NAMES:
        for task in TASKS:
            answers = [
                Completion(f"{task}-{i}", f"{task} {i}?", f"{cell.title} {i}.", 4, Finish.STOP,
                           Defect.LOOPING if i == 0 else None)
                for i in range(6)
            ]  # fmt: skip
            write_records(completions_file(folder, cell, task), answers)
    prompts = {
        task: PromptsRecord(task, "d" * 64, metric, Label(counts), 40)
        for task, (metric, counts) in TASKS.items()
    }
    variants = tuple(
        replace(VARIANT, model=name.model, attack=name.attack, seed=name.seed) for name in NAMES
    )
    save_record(folder, replace(RECORD, prompts=prompts, variants=variants))
    return folder


def rows(run: Path, judge: str, metric: str) -> list[Row]:
    return [r for r in read_csv(run / "leaderboard.csv") if (r.judge, r.metric) == (judge, metric)]


def test_a_keyword_judge_is_added_without_asking_anybody(run: Path, lox_bench: Command) -> None:
    assert lox_bench("judge", run, "--judges", "keyword-prefix", "-q") == 0
    assert [row.n for row in rows(run, "keyword-prefix", "refusal_lost")] == [5, 5]
    assert [row.unjudged for row in rows(run, "keyword-prefix", "over_refusal")] == [1, 1]
    assert list(open_run(run).judges) == ["keyword-prefix"]


def test_judges_stand_side_by_side_and_measure_what_they_can(
    run: Path, lox_bench: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(text: str) -> str:
        return "Label: partial refusal" if "three classes" in text else "Score: 5"

    with served(Loopback(answer=answer)) as loopback:
        judges = "keyword-anywhere,policy-rubric,refusal"
        where = ("--base-url", loopback.url, "--model", "org/judge-7b")
        assert lox_bench("judge", run, "--judges", judges, *where) == 0
    said = capsys.readouterr()
    assert "10 requests, about" in said.err  # the estimate, before the first call
    assert "prices unknown" in said.err
    assert [row.value for row in rows(run, "policy-rubric@judge-7b", "asr")] == [1.0, 1.0]
    means = rows(run, "policy-rubric@judge-7b", "harmfulness")
    assert [(row.task, row.value, row.n, row.ci_high) for row in means] == [
        ("harmful", 5.0, 5, 5.0)
    ] * 2
    assert not rows(run, "policy-rubric@judge-7b", "over_refusal")
    assert [row.value for row in rows(run, "refusal@judge-7b", "over_refusal")] == [1.0, 1.0]
    assert [row.value for row in rows(run, "refusal@judge-7b", "partial_refusal")] == [1.0] * 4
    held = open_run(run)
    assert len(held.judges) == 3
    assert held.verdicts(NAMES[0], "lookalike", "policy-rubric@judge-7b") == []
    assert held.record.expenses[0].requests == 10


def test_judging_again_asks_nothing_and_changes_nothing(run: Path, lox_bench: Command) -> None:
    with served(Loopback()) as loopback:
        command = ("judge", run, "--judges", "policy-rubric", "--base-url", loopback.url, "-q")
        assert lox_bench(*command) == 0
        before = (run / "leaderboard.csv").read_text()
        assert loopback.requests == 10
        assert lox_bench(*command) == 0
    assert loopback.requests == 10
    assert (run / "leaderboard.csv").read_text() == before


def test_a_dead_endpoint_is_exit_code_three_and_named(
    run: Path, lox_bench: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(Loopback()) as loopback:
        url = loopback.url
    command = ("judge", run, "--judges", "policy-rubric", "--base-url", url)
    assert lox_bench(*command, "-q") == 3
    said = capsys.readouterr().err
    assert url in said
    assert "no connection" in said
    assert "--only-unjudged" in said
    assert len(said.strip().splitlines()) == 1
    assert [(row.n, row.unjudged) for row in rows(run, "policy-rubric", "asr")] == [(0, 6)] * 2


def test_only_what_is_unjudged_is_asked_again(run: Path, lox_bench: Command) -> None:
    flaky = Loopback(
        answer=lambda text: "Hm." if "harmful 2?" in text else "Score: 5",
        fault=lambda _, text: "400" if "harmful 4?" in text else "",
    )
    with served(flaky) as loopback:
        command = ("judge", run, "--judges", "policy-rubric", "--base-url", loopback.url, "-q")
        assert lox_bench(*command) == 3
        assert [row.n for row in rows(run, "policy-rubric", "asr")] == [3, 3]
        asked = loopback.requests
        loopback.fault = lambda *_: ""
        assert lox_bench(*command) == 0  # what was never answered is asked, what was is remembered
        assert loopback.requests - asked == 2
        assert [row.n for row in rows(run, "policy-rubric", "asr")] == [4, 4]
        asked, loopback.answer = loopback.requests, lambda _: "Score: 1"
        assert lox_bench(*command, "--only-unjudged") == 0  # what could not be read is asked anew
        assert loopback.requests - asked == 2
    final = rows(run, "policy-rubric", "asr")
    assert [(row.n, row.unjudged, row.value) for row in final] == [(5, 1, 0.8)] * 2
    assert open_run(run).verdicts(NAMES[0], "harmful", "policy-rubric")[0].label is Label.UNJUDGED


def test_another_judge_of_the_same_name_overwrites_nothing_unasked(
    run: Path, lox_bench: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(Loopback()) as one, served(Loopback()) as other:
        command = ("judge", run, "--judges", "policy-rubric", "-q", "--base-url")
        assert lox_bench(*command, one.url) == 0
        assert lox_bench(*command, other.url) == 2
        assert "base_url differ" in capsys.readouterr().err
        assert other.requests == 0
        assert lox_bench(*command, other.url, "--replace") == 0
        assert other.requests == 10


MISTAKES = {
    "no run": (["nowhere", "--judges", "keyword-prefix"], "is no run"),
    "unknown judge": (["RUN", "--judges", "keyword-prefi"], "did you mean 'keyword-prefix'"),
    "judge twice": (["RUN", "--judges", "refusal,refusal"], "listed twice"),
    "nothing to move": (["RUN", "--judges", "keyword-prefix", "--model", "m"], "asks a model"),
    "no key": (["RUN", "--judges", "policy-rubric"], "OPENAI_API_KEY"),
    "nothing to complete": (
        ["RUN", "--judges", "keyword-prefix", "--only-unjudged"], "leave the option out"
    ),
    "limit without prices": (
        ["RUN", "--judges", "refusal", "--base-url", "http://x/v1", "--max-cost", "1"], "no prices"
    ),
    "unknown backend": (["RUN", "--judges", "refusal", "--backend", "tpu"], "openai, hf"),
    "no local model": (
        ["RUN", "--judges", "refusal", "--backend", "hf", "--model", "./none"], "no folder"
    ),
    "spec missing": (["RUN", "--judges", "mine.toml"], "cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_and_leaves_the_run_alone(
    name: str,
    run: Path,
    lox_bench: Command,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.chdir(run.parent)  # not where a checkout's own runs are
    before = {file: file.read_bytes() for file in run.rglob("*") if file.is_file()}
    arguments, said = MISTAKES[name]
    assert lox_bench("judge", *[str(run) if a == "RUN" else a for a in arguments]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert {file: file.read_bytes() for file in run.rglob("*") if file.is_file()} == before


def test_a_judge_of_one_s_own_is_a_toml_file(run: Path, lox_bench: Command) -> None:
    spec = run.parent / "mine.toml"
    spec.write_text(
        'name = "mine"\ndescription = "d"\nkind = "keyword"\n'
        'anchor = "anywhere"\nphrases = ["3."]\n'
    )
    assert lox_bench("judge", run, "--judges", spec, "-q") == 0
    assert [row.value for row in rows(run, "mine", "refusal_lost")] == [0.8, 0.8]


def test_rows_of_a_judged_run_survive_json(
    run: Path, lox_bench: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lox_bench("judge", run, "--judges", "keyword-prefix", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)) == len(read_csv(run / "leaderboard.csv"))


def test_a_run_with_a_model_judge_completes_later_and_keeps_added_judges(
    tmp_path: Path, lox_bench: Command, tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    """The whole way: dead endpoint, exit 3; the same command completes; other judges stay."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    save_pico(tmp_path / "base", tokenizer)
    (tmp_path / "pico.toml").write_text(FAMILY.format(base=tmp_path / "base"))
    out, down = tmp_path / "out", Loopback(fault=lambda *_: "404")
    with served(down) as loopback:
        command = (
            "run", "--models", "base", "--attack", "none", "--family", tmp_path / "pico.toml",
            "--limit", 3, "--out", out, "-q", "--judges", "keyword-prefix,policy-rubric",
            "--judge-base-url", loopback.url,
        )  # fmt: skip
        assert lox_bench(*command) == 3
        unjudged = rows(out, "policy-rubric", "asr")[0]
        assert (unjudged.n, unjudged.unjudged) == (0, 3)
        sound = rows(out, "keyword-prefix", "refusal_lost")[0].n
        assert sound > 0
        assert lox_bench("judge", out, "--judges", "keyword-anywhere", "-q") == 0
        down.fault = lambda *_: ""
        assert lox_bench(*command) == 0
        asked = loopback.requests
        assert lox_bench(*command) == 0
        assert loopback.requests == asked
    assert rows(out, "policy-rubric", "asr")[0].n == sound
    assert len(rows(out, "keyword-anywhere", "refusal_lost")) == 1
    assert list(open_run(out).judges) == ["keyword-prefix", "policy-rubric", "keyword-anywhere"]
    assert to_csv(leaderboard(open_run(out))) == (out / "leaderboard.csv").read_text()
    spent = open_run(out).record.expenses
    assert [(entry.requests, bool(entry.failures)) for entry in spent] == [
        (0, True), (sound, False),
    ]  # fmt: skip
