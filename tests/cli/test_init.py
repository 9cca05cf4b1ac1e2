"""``lox-bench init``: what it writes is sound, runs, and never takes a file's place."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support.command import LOX_BENCH
from support.pico import FAMILY, save_pico
from support.run_folders import Command
from transformers import PreTrainedTokenizerFast

from lox_bench.cli.main import app
from lox_bench.registry import Kind, load_code
from lox_bench.study.file import load_study
from lox_bench.study.models import read_models
from lox_bench.testing import check_method

FILES = {"mine.py", "test_mine.py", "study.toml", ".github/workflows/lox-bench.yml"}


def written(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_method_a_test_a_study_and_a_workflow_are_written(
    tmp_path: Path, command: Command
) -> None:
    done = command("init", str(tmp_path / "new"))
    assert done.code == 0
    assert written(tmp_path / "new") == FILES
    check_method(load_code(Kind.METHODS, f"{tmp_path}/new/mine.py:Mine"), "strength=0.5")
    study = load_study(str(tmp_path / "new" / "study.toml"))
    labels = [model.label for model in read_models(",".join(study.models))]
    workflow = yaml.safe_load((tmp_path / "new" / ".github/workflows/lox-bench.yml").read_text())
    steps = [step["run"] for step in workflow["jobs"]["safety"]["steps"] if "run" in step]
    known = {command.name for command in app.registered_commands}
    ours = [step.split() for step in steps if step.startswith("lox-bench")]
    assert [words[1] for words in ours] == ["run", "check"]
    assert {words[1] for words in ours} <= known
    assert f'"{labels[-1]}=lox"' in steps[-1]
    assert "@" not in "".join(steps)


@pytest.mark.parametrize("taken", sorted(FILES))
def test_nothing_is_overwritten_and_nothing_half_written(
    taken: str, tmp_path: Path, command: Command
) -> None:
    (tmp_path / taken).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / taken).write_text("precious")
    done = command("init", str(tmp_path))
    assert done.code == 2
    assert "nothing was written" in done.err
    assert written(tmp_path) == {taken}
    assert (tmp_path / taken).read_text() == "precious"


@pytest.mark.parametrize("name", ["../mine", "Mine", "a b", "", "x" * 99, "mine--x", "1st"])
def test_a_name_that_is_none_is_refused(name: str, tmp_path: Path, command: Command) -> None:
    done = command("init", str(tmp_path), "--name", name)
    assert done.code == 2
    assert "small letters" in done.err
    assert not written(tmp_path)


@pytest.mark.slow
def test_what_is_written_runs(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOX_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    save_pico(tmp_path / "base", tokenizer)
    here = tmp_path / "my-method"
    subprocess.run([*LOX_BENCH, "init", str(here), "--name", "my-method"], check=True)
    (here / "pico.toml").write_text(FAMILY.format(base=tmp_path / "base"))
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_method.py"]
    subprocess.run(tests, cwd=here, check=True)
    quick = ["--family", "pico.toml", "--limit", "2", "--max-steps", "1", "--seeds", "0"]
    subprocess.run([*LOX_BENCH, "run", "study.toml", *quick, "--out", "runs/ci"], cwd=here,
                   check=True)  # fmt: skip
    text = (here / "runs" / "ci" / "leaderboard.csv").read_text()
    assert '"MyMethod(strength=0.5)"' in text or "MyMethod(strength=0.5)" in text
