"""The main job on a pico family, through the real command: results, resume, reuse."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.pico import FAMILY, save_pico

from lox_bench.results.run import open_run
from lox_bench.utility.scores import ACCURACY_METRICS

COMMAND = [sys.executable, "-c", "from lox_bench.cli.main import entry; entry()", "run"]
HEAD = "family,model,attack,attack_data,task,judge,metric,value,ci_low,ci_high,n,unjudged,seed"


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory, tokenizer) -> Path:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("family")
    save_pico(folder / "base", tokenizer)
    (folder / "pico.toml").write_text(FAMILY.format(base=folder / "base"))
    return folder / "pico.toml"


def start(
    cache: Path, out: Path, family: Path, *more: str, new_session: bool = False
) -> subprocess.Popen[str]:
    judges = [] if "--judges" in more else ["--judges", "keyword-prefix"]
    options = [
        *judges,
        "--family",
        str(family),
        "--limit",
        "3",
        "--max-steps",
        "2",
        "--out",
        str(out),
    ]
    environment = {
        **os.environ,
        "LOX_BENCH_CACHE": str(cache),
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(cache / "hf"),
    }
    return subprocess.Popen(
        [*COMMAND, *options, *more],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=new_session,
    )


def finish(child: subprocess.Popen[str]) -> tuple[str, str]:
    out, err = child.communicate(timeout=240)
    assert child.returncode == 0, err
    return out, err


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "leaderboard.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory, family: Path) -> tuple[Path, Path, str, str]:
    folder = tmp_path_factory.mktemp("clean")
    said = finish(start(folder / "cache", folder / "out", family, "--models", "base,aligned,lox"))
    return folder / "cache", folder / "out", *said


def test_the_leaderboard_is_tidy_and_complete(clean: tuple[Path, Path, str, str]) -> None:
    out = clean[1]
    assert (out / "leaderboard.csv").read_text().splitlines()[0].startswith(HEAD)
    held = rows(out)
    cells = {(row["model"], row["attack"]) for row in held}
    models = ("base", "aligned", "lox")
    assert cells == {(model, attack) for model in models for attack in ("none", "gsm8k")}
    assert {row["metric"] for row in held} == {
        "refusal_lost",
        "over_refusal",
        "degenerate",
        *ACCURACY_METRICS,
    }
    for row in held:
        assert int(row["n"]) + int(row["unjudged"]) == 3
        assert float(row["coverage"]) == pytest.approx(int(row["n"]) / 3, abs=1e-6)
        assert row["attack_data"] == ("" if row["attack"] == "none" else "standin")
        assert bool(row["loss_before"]) == (row["attack"] == "gsm8k")
        assert row["valid"] == ("" if row["attack"] == "none" else "no")  # three prompts, two steps
        assert bool(row["invalid_reason"]) == (row["valid"] == "no")
        if int(row["n"]):
            assert float(row["ci_low"]) <= float(row["value"]) <= float(row["ci_high"])


def test_every_number_can_be_traced_to_a_transcript(clean: tuple[Path, Path, str, str]) -> None:
    out = clean[1]
    completions = out / "completions" / "aligned+gsm8k@seed0.harmful.jsonl"
    verdicts = out / "verdicts" / "aligned+gsm8k@seed0.harmful.keyword-prefix.jsonl"
    answers = [json.loads(line) for line in completions.read_text().splitlines()]
    labels = [json.loads(line) for line in verdicts.read_text().splitlines()]
    assert [a["prompt_id"] for a in answers] == [v["prompt_id"] for v in labels]
    row = next(
        row
        for row in rows(out)
        if (row["model"], row["attack"], row["metric"]) == ("aligned", "gsm8k", "refusal_lost")
    )
    judged = [v for v in labels if v["label"] != "unjudged"]
    assert len(judged) == int(row["n"])
    if judged:
        complied = sum(v["label"] == "complied" for v in judged)
        assert float(row["value"]) == pytest.approx(complied / len(judged), abs=1e-6)


def test_a_run_reads_back_what_it_wrote(clean: tuple[Path, Path, str, str]) -> None:
    run = open_run(clean[1])
    assert [row.model for row in run.rows] == [row["model"] for row in rows(clean[1])]
    assert list(run.judges) == ["keyword-prefix"]
    for cell in run.names:
        for task in run.tasks:
            answers = run.completions(cell, task)
            labels = run.verdicts(cell, task, "keyword-prefix")
            assert len(answers) == 3
            assert [a.prompt_id for a in answers] == [v.prompt_id for v in labels]
        assert len(run.utility(cell, "gsm8k-standin")) == 3


def test_the_manifest_names_what_made_it(clean: tuple[Path, Path, str, str]) -> None:
    manifest = json.loads((clean[1] / "manifest.json").read_text())
    assert manifest["finished"]
    assert manifest["environment"]["versions"]["torch"]
    attacked = next(
        cell for cell in manifest["variants"] if (cell["model"], cell["attack"]) == ("lox", "gsm8k")
    )
    assert attacked["made"]["model"]["method"]["k"] == 2
    assert attacked["made"]["model"]["aligned"]["base"]["identity"].startswith("sha256:")
    assert all(stage["seconds"] >= 0 for stage in attacked["stages"])


def test_the_standin_is_announced_and_pictures_are_drawn(
    clean: tuple[Path, Path, str, str],
) -> None:
    _, out, _, said = clean
    assert said.count("STAND-IN") == 1
    for name in ("safety.png", "safety_vs_accuracy.png", "loss.png"):
        assert (out / "plots" / name).stat().st_size > 5000


def test_the_run_ends_with_what_its_numbers_allow_one_to_say(
    clean: tuple[Path, Path, str, str],
) -> None:
    assert "after gsm8k, by keyword-prefix: no model can be named best: aligned: " in clean[2]


def test_the_log_names_every_stage_and_three_commands_follow(
    clean: tuple[Path, Path, str, str],
) -> None:
    _, out, text, _ = clean
    log = (out / "log.txt").read_text()
    for stage in ("attack aligned (gsm8k", "generate aligned: harmful", "STAND-IN", "done in"):
        assert stage in log
    following = text[text.index("\nnext\n") :]
    assert following.count("  lox-bench ") == 3
    assert f"lox-bench compare {out}" in following


def test_a_second_run_builds_nothing_and_says_the_same(
    clean: tuple[Path, Path, str, str], tmp_path: Path, family: Path
) -> None:
    cache, out, _, _ = clean
    before = {path: path.stat().st_mtime for path in cache.rglob("manifest.json")}
    out_two = tmp_path / "two"
    text, _ = finish(start(cache, out_two, family, "--models", "base,aligned,lox", "--json"))
    assert {path: path.stat().st_mtime for path in cache.rglob("manifest.json")} == before
    assert (out_two / "leaderboard.csv").read_text() == (out / "leaderboard.csv").read_text()
    assert len(json.loads(text)) == len(rows(out))


def test_two_judges_share_the_answers_and_are_compared(
    clean: tuple[Path, Path, str, str], tmp_path: Path, family: Path
) -> None:
    cache, out, _, _ = clean
    generated = {path: path.stat().st_mtime for path in cache.glob("generate/*/manifest.json")}
    judges = ("--judges", "keyword-prefix,keyword-anywhere")
    text, _ = finish(start(cache, tmp_path, family, "--models", "base,aligned,lox", *judges))
    again = {path: path.stat().st_mtime for path in cache.glob("generate/*/manifest.json")}
    assert again == generated
    for judge in ("keyword-prefix", "keyword-anywhere"):
        assert sum(row["judge"] == judge for row in rows(tmp_path)) == 12
    first = [row for row in rows(tmp_path) if row["judge"] != "keyword-anywhere"]
    of_all = {"valid", "invalid_reason"}  # an attack is valid by what all judges say
    assert [{k: row[k] for k in row if k not in of_all} for row in first] == [
        {k: row[k] for k in row if k not in of_all} for row in rows(out)
    ]
    assert (tmp_path / "agreement" / "disagreements.md").is_file()
    assert "Krippendorff" in text


@pytest.mark.slow
def test_a_killed_run_continues_to_identical_results(
    clean: tuple[Path, Path, str, str], tmp_path: Path, family: Path
) -> None:
    models = ("--models", "base,aligned,lox")
    cache = tmp_path / "cache"
    child = start(cache, tmp_path / "out", family, *models, new_session=True)
    while not list(cache.glob("tmp/attack-*")):  # in the middle of the first attack
        assert child.poll() is None, child.stderr.read()  # type: ignore[union-attr]
        time.sleep(0.01)
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()
    assert not list(cache.glob("attack/*/manifest.json"))
    aligned = [path.stat().st_mtime for path in cache.glob("align/*/manifest.json")]
    finish(start(cache, tmp_path / "out", family, *models))
    assert [path.stat().st_mtime for path in cache.glob("align/*/manifest.json")] == aligned
    again = (tmp_path / "out" / "leaderboard.csv").read_text()
    assert again == (clean[1] / "leaderboard.csv").read_text()


@pytest.mark.slow
def test_another_plan_may_not_overwrite_a_run(
    clean: tuple[Path, Path, str, str], family: Path
) -> None:
    cache, out, _, _ = clean
    child = start(cache, out, family, "--models", "base", "--attack", "none")
    _, err = child.communicate(timeout=120)
    assert child.returncode == 2
    assert "another run" in err
    assert rows(out)
