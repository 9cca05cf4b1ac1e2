"""A third party's methods, attack, prompt set and judge are run, gated and reported like ours."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.own_method import MINE
from support.pico import FAMILY, save_pico
from support.run_folders import Command

from lox_bench.results.run import Run, open_run

COMMAND = [sys.executable, "-c", "from lox_bench.cli.main import entry; entry()", "run"]
MODELS = (
    "aligned",
    "lox-bench-sums/scale-step(by=2)+refusals(count=2)+halfway",
    "scale-step(by=3)",
)
STUDY = f"""
name = "sums"
families = ["pico.toml"]
models = {list(MODELS[:2])}
attacks = ["lox-bench-sums/sums"]
prompts = ["harmful", "ovens"]
judges = ["counts-words", "keyword-prefix"]
limit = 3
max_steps = 2

[[grid]]
method = "scale-step"
by = [3]
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, tokenizer) -> Path:
    folder = tmp_path_factory.mktemp("work")
    save_pico(folder / "base", tokenizer)
    (folder / "pico.toml").write_text(FAMILY.format(base=folder / "base"))
    (folder / "study.toml").write_text(STUDY)
    return folder


def lox_bench_run(work: Path, site: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(site), "HF_HUB_OFFLINE": "1",
                   "LOX_BENCH_CACHE": str(work / "cache"), "HF_HOME": str(work / "hf")}  # fmt: skip
    done = subprocess.run(
        [*COMMAND, *options], cwd=work, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def run(work: Path, plugin_site: Path) -> Run:
    lox_bench_run(work, plugin_site, "study.toml", "--out", "out")
    return open_run(work / "out")


def test_every_row_is_there(run: Run) -> None:
    held = {(row.model, row.attack, row.task, row.judge, row.metric) for row in run.rows}
    for model in MODELS:
        for attack in ("none", "sums"):
            for judge in ("counts-words", "keyword-prefix"):
                assert (model, attack, "harmful", judge, "refusal_lost") in held
                assert (model, attack, "ovens", judge, "over_refusal") in held
    assert {row.attack_data for row in run.rows if row.attack == "sums"} == {
        next(rows.label for rows in run.record.attack_data.values())
    }
    assert next(iter(run.record.attack_data.values())).label.startswith("file:sums.jsonl#")


def test_each_method_acts_at_its_place(run: Run) -> None:
    keys = {(item.model, item.attack): item.model_key for item in run.record.variants}
    assert len(set(keys.values())) == len(keys)
    made = {item.model: item.made for item in run.record.variants if item.attack == "sums"}
    assert made[MODELS[1]]["kind"] == "repair"
    assert made[MODELS[1]]["tuned"]["during"][0]["count"] == 2


def test_its_files_lie_where_a_run_s_files_lie(run: Run) -> None:
    for name in run.names:
        for task in run.tasks:
            assert len(run.completions(name, task)) == 3
            assert len(run.verdicts(name, task, "counts-words")) == 3
    assert {file.parent for file in run.path.glob("completions/**/*.jsonl")} == {
        run.path / "completions"
    }


@pytest.mark.parametrize("installed", [True, False])
def test_it_is_gated_compared_and_reported_whether_or_not_the_package_is_there(
    installed: bool, run: Run, command: Command, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if installed:
        request.getfixturevalue("plugin")
    results, page = str(tmp_path / "results"), tmp_path / "page.html"
    assert command("baseline", str(run.path), "--name", "sums", "--dir", results).code == 0
    # three prompts after two steps decide nothing, and the gate says so
    checked = command("check", str(run.path), "--against", f"{results}/sums.csv")
    assert checked.code in {0, 3}, checked.err
    assert "sums" in checked.out
    assert command("compare", str(run.path)).code == 0
    assert command("report", str(run.path), "--out", str(page)).code == 0
    for word in ("scale-step(by=3)", "ovens", "counts-words"):
        assert word in page.read_text()
    assert command("agreement", str(run.path)).code == 0
    assert command("leaderboard", str(run.path), "--out", str(tmp_path / "board")).code == 0


@pytest.mark.slow
def test_files_of_the_user_s_do_what_a_package_does(work: Path, plugin_site: Path) -> None:
    """Attack, rows and prompts beside the TOML files; judge and method in Python files."""
    own = work / "own"
    shutil.copytree(plugin_site / "lox_bench_sums" / "data", own)
    code = (plugin_site / "lox_bench_sums" / "__init__.py").read_text()
    (own / "judges.py").write_text(code.replace("DATA = files(__name__)", "# a file has no data: "))
    (own / "mine.py").write_text(MINE)
    lox_bench_run(
        work, work, "--family", "pico.toml", "--limit", "3", "--max-steps", "2", "--out", "files",
        "--models", "aligned,aligned+./own/mine.py:Mine(alpha=2)", "--attack", "own/sums.toml",
        "--prompts", "harmful,own/ovens.toml", "--judges", "own/judges.py:CountsWords",
    )  # fmt: skip
    made = open_run(work / "files")
    assert {row.model for row in made.rows} == {"aligned", "aligned+Mine(alpha=2)"}
    assert {(row.attack, row.task) for row in made.rows} == {
        (attack, task) for attack in ("none", "sums") for task in ("harmful", "ovens")
    }
    assert {row.judge for row in made.rows if row.metric == "refusal_lost"} == {"counts-words"}


@pytest.mark.usefixtures("run")  # whose cache it shares
@pytest.mark.slow
def test_several_families_share_a_folder_and_a_leaderboard(work: Path, plugin_site: Path) -> None:
    text = (work / "pico.toml").read_text()
    (work / "nano.toml").write_text(text.replace('"pico"', '"nano"').replace("k = 2", "k = 1"))
    options = ["--family", "pico.toml,nano.toml", "--models", "aligned,lox", "--attack", "none"]
    options = ["study.toml", *options, "--out", "both"]
    stages = json.loads(lox_bench_run(work, plugin_site, *options, "--dry-run", "--json").stdout)
    assert {stage["stored"] for stage in stages if stage["kind"] == "source"} == {True}
    assert not (work / "both").exists()
    said = lox_bench_run(work, plugin_site, *options).stdout
    folder = work / "both"
    assert str(Path("both") / "leaderboard.csv") in said
    rows = [row for name in ("pico", "nano") for row in open_run(folder / name).rows]
    lines = (folder / "leaderboard.csv").read_text().splitlines()
    assert len(lines) == 1 + len(rows)
    assert lines[0].endswith("source,finished")
    assert {line.split(",")[0] for line in lines[1:]} == {"pico", "nano"}
    assert (folder / "leaderboard.md").is_file()
    again = lox_bench_run(work, plugin_site, *options, "--json").stdout
    assert len(json.loads(again)) == len(rows)
