"""What third parties add is found by name, listed without being imported, refused if twofold."""

import hashlib
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from support.run_folders import Command

from lox_bench.attacks.spec import load_attack
from lox_bench.data.prompts import load_prompts, load_task
from lox_bench.data.rows import resolve_rows
from lox_bench.errors import DataError, SpecError, UnknownNameError, UsageError
from lox_bench.grammar import parse_call
from lox_bench.judges.build import build_judge, pinned
from lox_bench.judges.choice import Elsewhere, choose_judges, load_judge
from lox_bench.judges.kinds import can_count, described
from lox_bench.methods.arguments import build_method
from lox_bench.methods.method import Place
from lox_bench.registry import Kind, entries, find, load_code, names_of
from lox_bench.types import Completion, Finish, Label

MINE = '''
from dataclasses import dataclass
from typing import ClassVar

from lox_bench.methods.method import Place


@dataclass(frozen=True)
class Mine:
    """Keep everything."""

    place: ClassVar[Place] = Place.AFTER
    times: int = 1

    def tensor(self, name, w):
        return w.tuned
'''


@pytest.mark.usefixtures("plugin")
def test_listing_names_a_plugin_s_entries_and_imports_nothing() -> None:
    names = {entry.full for kind in Kind for entry in entries(kind)}
    assert {"lox-bench-sums/scale-step", "lox-bench-sums/sums", "lox-bench-sums/ovens",
            "lox-bench-sums/counts-words", "lox-bench/lox", "lox-bench/gsm8k"} <= names  # fmt: skip
    assert "lox_bench_sums" not in sys.modules


@pytest.mark.usefixtures("plugin")
def test_lists_show_a_plugin_s_and_describe_them_when_asked(command: Command) -> None:
    assert "lox-bench-sums/scale-step" in (said := command("list", "methods").out)
    assert "lox_bench_sums:ScaleStep (not imported" in said
    assert "lox_bench_sums" not in sys.modules
    said = command("list", "methods", "--load").out
    assert "Scale the step that alignment was" in said
    assert "by=1.5: a finite number of 0 to 4" in said
    assert "an answer of many words complies" in command("list", "judges", "--load").out
    assert "benign SFT on sums" in command("list", "attacks", "--load").out


@pytest.mark.usefixtures("plugin")
def test_what_ships_is_what_all_means() -> None:
    assert "ovens" not in names_of("tasks")
    assert "sums" not in names_of("attacks")


@pytest.mark.parametrize("name", ["scale-step", "lox-bench-sums/scale-step"])
@pytest.mark.usefixtures("plugin")
def test_a_method_is_loaded_by_either_name(name: str) -> None:
    cls = load_code(Kind.METHODS, name)
    method: Any = build_method(cls, parse_call(f"{name}(by=2)"))
    assert (method.place, method.by) == (Place.BEFORE, 2.0)
    places = [load_code(Kind.METHODS, other).place for other in ("refusals", "halfway")]
    assert places == [Place.DURING, Place.AFTER]


@pytest.mark.usefixtures("plugin")
def test_an_attack_and_a_prompt_set_bring_their_files() -> None:
    attack = load_attack("lox-bench-sums/sums")
    rows = resolve_rows(attack.data, None, columns=("ask", "reply"), strict=True)
    assert (rows.count, rows.is_standin) == (12, False)
    task = load_task("ovens")
    prompts = load_prompts(task.prompts)
    assert (prompts.name, len(prompts.prompts)) == ("ovens", 4)
    assert {prompt.hazard for prompt in prompts.prompts} == {"none"}


@pytest.mark.usefixtures("plugin")
def test_a_judge_may_be_code(silent: Any) -> None:
    (spec,) = choose_judges("counts-words", Elsewhere())
    judge = build_judge(pinned(spec))
    answers = [
        Completion(str(number), "Why?", text, 1, Finish.STOP, None)
        for number, text in enumerate(("No.", "a b c d e f g h i"))
    ]
    labels = [verdict.label for verdict in judge.judge(answers, silent)]
    assert labels == [Label.REFUSED, Label.COMPLIED]
    plain = described(spec)
    assert (plain["name"], plain["words"], len(plain["sha256"])) == ("counts-words", 8, 64)
    assert can_count(plain, "complied")
    with pytest.raises(UsageError, match="asks a model"):
        choose_judges("counts-words", Elsewhere(model="x"))


@pytest.mark.usefixtures("plugin")
def test_a_near_name_is_suggested() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'scale-step'"):
        find(Kind.METHODS, "scale-stop")
    with pytest.raises(UnknownNameError, match="did you mean 'safe-lora'"):
        find(Kind.METHODS, "safelora")


@pytest.mark.usefixtures("plugin")
def test_a_name_that_two_packages_offer_is_refused_with_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "rival-1.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: rival\nVersion: 1.0\n")
    (other / "entry_points.txt").write_text(
        "[lox_bench.methods]\nhalfway = rival:Halfway\nlox = rival:Lox\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name, one in (("halfway", "lox-bench-sums"), ("lox", "lox-bench")):
        with pytest.raises(UsageError, match=f"{one} and by rival|rival and by {one}"):
            find(Kind.METHODS, name)
        assert find(Kind.METHODS, f"{one}/{name}").package == one
        assert find(Kind.METHODS, f"rival/{name}").package == "rival"
    with pytest.raises(SpecError, match="cannot be imported"):
        load_code(Kind.METHODS, "rival/lox")


def test_a_package_that_registers_a_name_of_ours_as_ours_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "lox_bench-9.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: lox-bench\nVersion: 9\n")
    (other / "entry_points.txt").write_text("[lox_bench.methods]\nlox = other:Lox\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match=r"registered twice.*methods\.lox:Lox.*other:Lox"):
        entries(Kind.METHODS)


def test_a_file_s_class_is_loaded_and_pinned_by_its_content(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    cls = load_code(Kind.METHODS, f"{file}:Mine")
    module = sys.modules[cls.__module__]
    assert module.__sha256__ == hashlib.sha256(file.read_bytes()).hexdigest()
    assert load_code(Kind.METHODS, f"{file}:Mine") is cls
    method = build_method(cls, parse_call(f"{file}:Mine(times=3)"))
    assert pickle.loads(pickle.dumps(method)) == method  # noqa: S301 - our own bytes
    file.write_text(MINE + "# changed\n")
    assert load_code(Kind.METHODS, f"{file}:Mine") is not cls


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (None, "mine.py:Mine", "cannot be read"),
        ("x = 1", "mine.py:Mine", "has no 'Mine'"),
        ("x = 1", "mine.py", "FILE.py:NAME"),
        ("1 / 0", "mine.py:Mine", "fails on import .ZeroDivisionError"),
        ("def", "mine.py:Mine", "SyntaxError"),
    ],
)
def test_a_file_without_the_class_says_what_is_wrong(
    content: str | None, name: str, said: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "mine.py").write_text(content)
    with pytest.raises(SpecError, match=said):
        load_code(Kind.METHODS, str(tmp_path / name))


def test_files_beside_a_user_s_toml_come_before_packaged_ones(tmp_path: Path) -> None:
    data = Path(__file__).parent / "package" / "lox_bench_sums" / "data"
    for file in data.iterdir():
        shutil.copy(file, tmp_path)
    task = load_task(str(tmp_path / "ovens.toml"))
    assert task.prompts == str(tmp_path / "ovens.jsonl")
    (tmp_path / "ovens.jsonl").unlink()
    with pytest.raises(DataError, match=r"ovens\.jsonl cannot be read"):
        load_prompts(load_task(str(tmp_path / "ovens.toml")).prompts)
    text = (tmp_path / "ovens.toml").read_text().replace("ovens.jsonl", "harmful-eval")
    (tmp_path / "ovens.toml").write_text(text)
    assert load_prompts(load_task(str(tmp_path / "ovens.toml")).prompts).name == "harmful-eval"


def test_a_prompt_without_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"id": "a", "prompt": "b"}\n{"id": "c"}\n')
    with pytest.raises(DataError, match=r"row 2: no text under 'prompt'"):
        load_prompts(str(tmp_path / "x.jsonl"))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("class J:\n    name = 'j'\n", "no frozen dataclass"),
        ("@dataclass(frozen=True)\nclass J:\n    name: str\n", "need defaults"),
        ("@dataclass(frozen=True)\nclass J:\n    name: str = 'a/b'\n", "no name"),
        ("@dataclass(frozen=True)\nclass J:\n    name: str = 'j'\n", "no description"),
        ("@dataclass(frozen=True)\nclass J:\n    name: str = 'j'\n    description: str = ''\n"
         "    counts: tuple = ('harm',)\n", "measures complied or refused"),
        ("@dataclass(frozen=True)\nclass J:\n    name: str = 'j'\n    description: str = ''\n"
         "    counts: tuple = ('refused',)\n", "reads refusal or content"),
        ("@dataclass(frozen=True)\nclass J:\n    name: str = 'j'\n    description: str = ''\n"
         "    counts: tuple = ('refused',)\n    reads: str = 'refusal'\n", "no method judge"),
    ],
)  # fmt: skip
def test_code_that_is_no_judge_is_refused(body: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "j.py").write_text(f"from dataclasses import dataclass\n{body}")
    with pytest.raises(SpecError, match=said):
        load_judge(f"{tmp_path / 'j.py'}:J")
