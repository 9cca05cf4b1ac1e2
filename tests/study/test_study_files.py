"""Study files: they say what options say, options override them, and any command is one."""

import tomllib
from pathlib import Path

import pytest
from support.own_method import MINE
from support.pico import FAMILY, save_pico
from support.run_folders import Command

from lox_bench.cli.asked import overridden
from lox_bench.engine.local import KeepWeights
from lox_bench.errors import SpecError, UnknownNameError, UsageError
from lox_bench.registry import names_of
from lox_bench.study.file import StudyFile, as_toml, load_study
from lox_bench.study.models import read_models
from lox_bench.study.request import Request
from lox_bench.study.study import make_study

FULL = """
name = "all"
description = "every key"
families = ["smollm2-135m", "llama2-7b"]
models = ["aligned", "lox(k=2|6)+safe-lora"]
attacks = ["gsm8k(lr=1e-5)", "near.toml"]
prompts = ["harmful"]
judges = ["keyword-prefix", "keyword-anywhere"]
seeds = [0, 1]
align_seeds = [7]
attack_seeds = [0, 1]
limit = 4
max_steps = 2
split = "dev"
strict_data = true
attack_search = 3
accuracy_slack = 4
eval_every = 10
defence_search = 5
max_over_refusal = 7
max_accuracy_loss = 3
keep_weights = "none"

[data]
gsm8k = "rows/train.jsonl"
"gsm8k/test" = "/abs/test.jsonl"

[judge]
model = "m"
base_url = "http://x/v1"
backend = "openai"
key_env = "KEY"
max_cost = 2

[[grid]]
method = "lox"
k = [2, 6]
alpha = [0.5, 1.0]
plus = "safe-lora"

[[grid]]
method = "expo"
"""


def write(folder: Path, text: str) -> str:
    (folder / "study.toml").write_text(text)
    return str(folder / "study.toml")


def test_every_key_reaches_the_request(tmp_path: Path) -> None:
    (tmp_path / "near.toml").write_text("")
    held = load_study(write(tmp_path, FULL))
    first, second = held.requests()
    assert (first.family, second.family) == ("smollm2-135m", "llama2-7b")
    models = "aligned,lox(k=2|6)+safe-lora,lox(k=2|6,alpha=0.5|1.0)+safe-lora,expo"
    assert first.models == models
    assert len(read_models(models)) == 8
    assert first.attack == f"gsm8k(lr=1e-5),{tmp_path}/near.toml"
    assert (first.prompts, first.judges) == ("harmful", "keyword-prefix,keyword-anywhere")
    assert first.seeds == ((7, 0), (7, 1))
    assert (first.limit, first.max_steps, first.split, first.strict_data) == (4, 2, "dev", True)
    assert (first.attack_search, first.accuracy_slack, first.eval_every) == (3, 4.0, 10)
    assert (first.defence_search, first.max_over_refusal, first.max_accuracy_loss) == (5, 7.0, 3.0)
    assert dict(first.data) == {
        "gsm8k": tmp_path / "rows" / "train.jsonl", "gsm8k/test": Path("/abs/test.jsonl")
    }  # fmt: skip
    assert first.elsewhere.base_url == "http://x/v1"
    assert (held.judge.max_cost, held.keep_weights) == (2.0, KeepWeights.NONE)


def test_an_empty_file_is_the_command_without_options(tmp_path: Path) -> None:
    assert load_study(write(tmp_path, "")) == StudyFile()
    assert StudyFile().requests() == (Request(),)


def test_a_grid_alone_is_all_the_models(tmp_path: Path) -> None:
    held = load_study(write(tmp_path, '[[grid]]\nmethod = "lox"\nk = 2\n'))
    assert held.models == ("lox(k=2)",)


def test_no_attack_is_an_empty_list_or_none(tmp_path: Path) -> None:
    for text in ("attacks = []", 'attacks = ["none"]'):
        (request,) = load_study(write(tmp_path, text)).requests()
        assert request.attack == "none"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('attack = ["gsm8k"]', r"study\.toml: unknown key 'attack'; allowed: name, "),
        ('models = "lox"', r"study\.toml: models: a list was wanted, not 'lox'"),
        ("models = [1]", r"study\.toml: models\[0\]: text was wanted, not 1"),
        ("models = []", r"study\.toml: models: at least one was wanted"),
        ('seeds = ["0"]', r"study\.toml: seeds\[0\]: a whole number was wanted, not '0'"),
        ("limit = true", r"study\.toml: limit: a whole number was wanted, not True"),
        ("data = 3", r"study\.toml: data: a table was wanted, not 3"),
        ("[data]\ngsm8k = 3", r"study\.toml: data\.gsm8k: text was wanted, not 3"),
        ('keep_weights = "some"', r"study\.toml: keep_weights: one of all, dear, none was wanted"),
        ("[judge]\nurl = 'x'", r"study\.toml: judge: unknown key 'url'; allowed: model, base_url"),
        ("[[grid]]\nk = [2]", r"study\.toml: grid: missing key 'method'"),
        ("[[grid]]\nmethod = 'lox'\nk = []", r"study\.toml: grid: k: a list of values was wanted"),
        ("[[grid]]\nmethod = 'lox'\nk = ['2|3']", r"study\.toml: grid: k: numbers, true or false"),
        ("[[grid]]\nmethod = 'lox'\nplus = ['x']", r"study\.toml: grid: plus: a text was wanted"),
        ("x = ", r"study\.toml: is no TOML"),
    ],
)
def test_a_mistake_names_file_and_field(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=said):
        load_study(write(tmp_path, text))


def test_a_file_that_is_not_there_and_a_name_nobody_gave_are_said() -> None:
    with pytest.raises(SpecError, match="cannot be read"):
        load_study("nowhere.toml")
    with pytest.raises(UnknownNameError, match="did you mean 'lox-paper'"):
        load_study("lox-papr")


@pytest.mark.parametrize("name", names_of("studies"))
def test_every_packaged_study_is_sound_under_its_own_name(name: str) -> None:
    held = load_study(name)
    assert held.name == name
    assert held.description
    for request in held.requests():
        request.check()
        read_models(request.models)


def test_the_main_job_is_the_command_without_options() -> None:
    assert load_study("main-job").requests() == StudyFile().requests()


def test_what_is_written_is_read_back_as_it_was(tmp_path: Path) -> None:
    held = load_study(write(tmp_path, FULL))
    assert load_study(write(tmp_path, as_toml(held))) == held
    assert load_study(write(tmp_path, as_toml(StudyFile()))) == StudyFile()


def test_other_weights_may_lie_beside_the_file_and_a_word_is_a_rung(tmp_path: Path) -> None:
    for name in ("mine", "sft"):
        (tmp_path / name).mkdir()
    file = write(tmp_path, 'base = "sft"\naligned = "./mine"')
    held = load_study(file)
    assert (held.base, held.aligned) == ("sft", str(tmp_path / "mine"))
    assert "base" not in as_toml(StudyFile())


def test_options_override_the_file_and_leave_the_rest(tmp_path: Path) -> None:
    held = load_study(write(tmp_path, FULL))
    options = {"models": "base", "seed": "3,4", "data": ["gsm8k=mine.jsonl"], "max_cost": 1.0,
               "judge_model": "n", "strict_data": False, "family": "smollm2-135m",
               "attack": "none", "keep_weights": KeepWeights.ALL}  # fmt: skip
    changed = overridden(held, options)
    (request,) = changed.requests()
    assert (request.models, request.attack, request.strict_data) == ("base", "none", False)
    assert request.seeds == ((3, 3), (4, 4))  # --seeds is both
    assert request.data["gsm8k"] == Path("mine.jsonl")
    assert request.data["gsm8k/test"] == Path("/abs/test.jsonl")
    assert (request.elsewhere.model, request.elsewhere.key_env) == ("n", "KEY")
    assert (changed.judge.max_cost, changed.keep_weights) == (1.0, KeepWeights.ALL)
    assert (request.limit, request.prompts) == (4, "harmful")
    assert overridden(held, {"attack_seeds": "9"}).requests()[0].seeds == ((7, 9),)


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--models", "aligned, lox(k=2|6, alpha=0.5)+safe-lora(tau=0.5)", "--seeds", "0,1"],
        ["--attack", "gsm8k(lr=1e-5|2e-5),none", "--limit", "3", "--prompts", "harmful"],
        ["--align-seeds", "4", "--attack-seeds", "1,2", "--keep-weights", "all", "--split", "dev"],
        ["--data", "gsm8k=train.jsonl", "--judges", "keyword-anywhere"],
        ["--models", "own=model,aligned+mine.py:Mine(alpha=2)", "--max-steps", "2"],
    ],
)
def test_a_printed_study_is_the_same_study(
    options: list[str], command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    pico: Path, tokenizer
) -> None:  # fmt: skip
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    work, other = tmp_path / "work", tmp_path / "elsewhere"
    work.mkdir()
    other.mkdir()
    save_pico(work / "model", tokenizer, seed=3)
    (work / "mine.py").write_text(MINE)
    (work / "pico.toml").write_text(FAMILY.format(base=pico))
    (work / "train.jsonl").write_text('{"question": "q", "answer": "a"}\n')
    monkeypatch.chdir(work)
    printed = command("run", "--family", "pico.toml", *options, "--print-study")
    assert printed.code == 0
    assert tomllib.loads(printed.out)["accuracy_slack"] == 5.0
    given = dict(_options(options), family="pico.toml")
    key = make_study(overridden(StudyFile(), given).requests()[0]).key
    file = write(other, printed.out)
    monkeypatch.chdir(other)
    assert make_study(load_study(file).requests()[0]).key == key
    assert command("run", file, "--print-study").out == printed.out


def _options(words: list[str]) -> list[tuple[str, object]]:
    held, rest = [], iter(words)
    for word in rest:
        name = word.removeprefix("--").replace("-", "_")
        value = next(rest)
        number = {"limit": int, "max_steps": int}.get(name, str)(value)
        held.append(("seed" if name == "seeds" else name, [value] if name == "data" else number))
    return held


def test_options_on_the_command_line_override_and_defaults_do_not(
    command: Command, tmp_path: Path
) -> None:
    file = write(tmp_path, 'models = ["base"]\nlimit = 2\nstrict_data = true\n')
    held = tomllib.loads(command("run", file, "--print-study").out)
    assert (held["models"], held["limit"], held["strict_data"]) == (["base"], 2, True)
    options = ["--models", "aligned,lox", "--no-strict-data"]
    held = tomllib.loads(command("run", file, *options, "--print-study").out)
    assert (held["models"], held["limit"]) == (["aligned", "lox"], 2)
    assert held["strict_data"] is False


def test_the_defaults_that_help_shows_are_those_of_a_study() -> None:
    from inspect import signature

    from lox_bench.cli.run import run

    shown = {name: item.default for name, item in signature(run).parameters.items()}
    names = {"models", "attack", "accuracy_slack", "max_over_refusal", "max_accuracy_loss",
             "family", "prompts", "judges", "seed", "split",
             "strict_data", "keep_weights"}  # fmt: skip
    assert overridden(StudyFile(), {name: shown[name] for name in names}) == StudyFile()


def test_seeds_that_do_not_fit_are_a_mistake_of_the_file_too(tmp_path: Path) -> None:
    held = load_study(write(tmp_path, "align_seeds = [1, 2]\nattack_seeds = [1, 2, 3]"))
    with pytest.raises(UsageError, match="as many of each"):
        held.requests()
