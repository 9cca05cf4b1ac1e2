"""The command line: a mistake costs one clear line and exit code 2, start-up is fast."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.command import lox_bench, lox_bench_here
from support.run_folders import Command

from lox_bench.cli.main import app

MISTAKES = {
    "misspelt model": (["--models", "aligned,lx"], "did you mean 'lox'"),
    "unknown attack": (["--attack", "gsm8"], "did you mean 'gsm8k'"),
    "unknown family": (["--family", "smollm2-135"], "did you mean 'smollm2-135m'"),
    "unknown judge": (["--judges", "keywrd"], "did you mean"),
    "model twice": (["--models", "lox,lox"], "listed twice"),
    "open parenthesis": (["--models", "lox(k=2"], "not closed"),
    "rank zero": (["--models", "lox(k=0)"], "at least 1"),
    "unknown argument": (["--models", "lox(rank=2)"], "it takes k, alpha"),
    "empty item": (["--models", "aligned,,lox"], "empty item"),
    "missing folder": (["--models", "mine=./nowhere"], "no folder"),
    "missing data": (["--data", "gsm8k=nowhere.jsonl"], "No such file"),
    "data of no attack": (["--data", "dolly=x.jsonl"], "dolly"),
    "malformed data": (["--data", "gsm8k"], "NAME=FILE"),
    "limit zero": (["--limit", "0"], "--limit wants a number from 1"),
    "seed no number": (["--seed", "one"], "whole numbers"),
    "seeds backwards": (["--seeds", "2..0"], "from a lower to a higher"),
    "seeds in dots": (["--seeds", "0...2"], "whole numbers"),
    "seed twice": (["--seed", "1,1"], "distinct"),
    "unknown split": (["--split", "train"], "eval, dev"),
    "family file missing": (["--family", "mine.toml"], "cannot be read"),
    "malformed wheel": (["--models", "m=wheel://x"], "wheel://package"),
    "unknown argument of an attack": (["--attack", "gsm8k(rank=1)"], "it takes lr, epochs"),
    "learning rate no number": (["--attack", "gsm8k(lr=much)"], "lr=much"),
    "range downhill": (["--attack", "gsm8k(lr=2e-4..1e-5)"], "smaller to a larger"),
    "nothing to search": (["--attack", "none", "--attack-search", "3"], "names none"),
    "nothing to tune": (["--models", "aligned", "--defence-search", "3"], "no model has"),
    "a range without a search": (["--models", "lox(k=2..8)"], "--defence-search"),
    "unknown study": (["lox-papr"], "did you mean 'lox-paper'"),
    "study file missing": (["mine.toml"], "cannot be read"),
    "unknown prompt set": (["--prompts", "harmfull"], "did you mean 'harmful'"),
    "name of ours for a path": (["--models", "lox=./mine"], "call yours otherwise"),
    "seeds that do not fit": (["--align-seeds", "1,2", "--attack-seeds", "1,2,3"], "as many of"),
    "slack no number of points": (["--accuracy-slack", "-1"], "a number from 0 to 100"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_clear_line_and_exit_code_two(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LOX_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    arguments, said = MISTAKES[name]
    done = lox_bench_here(["run", *arguments], monkeypatch, capsys)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not done.stdout
    assert list(tmp_path.iterdir()) == []  # nothing was written for a request that cannot work


def test_strict_data_makes_the_standin_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    done = lox_bench_here(["run", "--strict-data"], monkeypatch, capsys)
    assert done.returncode == 2
    assert "--strict-data" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_folder_of_something_else_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOX_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("precious")
    done = lox_bench_here(["run", "--out", "mine"], monkeypatch, capsys)
    assert done.returncode == 2
    assert "nothing was overwritten" in done.stderr
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = lox_bench("run", "--models", "lx", "--debug", cwd=tmp_path)
    assert "Traceback" in done.stderr


@pytest.mark.parametrize(
    "command", [[], *([command.name] for command in app.registered_commands)], ids=str
)
def test_help_explains_each_command(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = lox_bench_here([*command, "--help"], monkeypatch, capsys)
    assert done.returncode == 0
    assert "Usage" in done.stdout


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("models", "lox"), ("attacks", "gsm8k"), ("tasks", "harmful"), ("judges", "keyword-prefix"),
     ("utilities", "gsm8k"), ("backends", "Answers user messages"), ("templates", "chatml"),
     ("prompts", "harmful-eval"), ("methods", "safe-lora"), ("studies", "lox-paper")],
)  # fmt: skip
def test_lists_name_and_explain(
    kind: str, expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = lox_bench_here(["list", kind], monkeypatch, capsys)
    assert done.returncode == 0
    assert expected in done.stdout


def test_methods_are_listed_with_place_arguments_and_source(command: Command) -> None:
    done = command("list", "methods")
    rows = {line.split()[0]: line.split() for line in done.out.splitlines() if line.split()}
    assert rows["safe-lora"][1] == "after"
    assert rows["truncated"][1] == "before"
    assert "from" not in rows["name"]  # all are ours
    assert "k=6: a whole number of at least 1, or 'full'" in done.out
    assert "tau=0.5: a finite number of 0 to 1" in done.out


def test_families_can_be_listed_offline(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = lox_bench_here(["list", "families", "--offline"], monkeypatch, capsys)
    assert done.returncode == 0
    assert "smollm2-135m" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["list", "models"],
        ["list", "methods"],
        ["list", "backends"],
        ["list", "families", "--offline"],
        ["run", "--help"],
        ["landscape", "--help"],
    ],
)
def test_help_and_lists_load_no_heavy_library(arguments: list[str], tmp_path: Path) -> None:
    code = (
        "import sys, atexit\n"
        "heavy = {'torch', 'transformers', 'trl', 'lm_eval', 'datasets', 'pandas', 'scipy'}\n"
        "atexit.register(lambda: print('HEAVY', sorted(heavy & set(sys.modules))))\n"
        "from lox_bench.cli.main import entry; entry()\n"
    )
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "HEAVY []" in done.stdout
