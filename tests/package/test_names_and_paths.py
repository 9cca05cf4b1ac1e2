"""A name is never a path; a path from a file never leaves its folder."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from lox_bench.attacks.spec import load_attack
from lox_bench.codec import from_plain, parse
from lox_bench.data.prompts import load_prompts, load_task
from lox_bench.errors import DataError, SpecError
from lox_bench.names import Name
from lox_bench.paths import inside

HOSTILE = [
    "", " ", ".", "..", "../x", "/abs/x", "a/b", "a\\b", "-rf", "--out", "=1+1", "@cmd", "+x",
    "a\nb", "a\0b", "a\x1b[31m", "[/b]", "$x$", "a b", "\u202eabc", "x" * 101, ".hidden", "~root",
    "C:x", "a;b", "a|b", "\u0430bc", "name\u200b",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Named:
    name: Name


@pytest.mark.fault(22)
@pytest.mark.parametrize("text", HOSTILE)
def test_no_record_takes_a_name_that_is_more_than_a_word(text: str) -> None:
    with pytest.raises(DataError, match="a name was wanted"):
        from_plain(Named, {"name": text}, where="manifest.json")
    with pytest.raises(SpecError, match="a name was wanted"):
        parse(Named, {"name": text}, where="family.toml")


@pytest.mark.parametrize("text", ["lox", "smollm2-135m", "v1.2_b", "7B"])
def test_words_are_names(text: str) -> None:
    assert from_plain(Named, {"name": text}, where="x").name == text


@pytest.mark.fault(22)
@pytest.mark.parametrize(
    "text", ["", " ", ".", "..", "../x", "/etc/passwd", "a/../../x", "a\\..\\x", "a\0", "link",
     "up/x"],
)  # fmt: skip
def test_a_path_from_a_file_stays_below_its_folder(tmp_path: Path, text: str) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "secret").write_text("s")
    (tmp_path / "root" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "root" / "up").symlink_to(tmp_path)
    with pytest.raises(DataError, match=r"wanted|leads out"):
        inside(tmp_path / "root", text, where="index.json")


def test_files_below_and_links_within_are_found(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("x")
    (tmp_path / "b").symlink_to(tmp_path / "a" / "x")
    assert inside(tmp_path, "a/x", where="i").read_text() == "x"
    assert inside(tmp_path, "b", where="i").read_text() == "x"


@pytest.mark.fault(22)
@pytest.mark.parametrize(
    "text", ["/etc/passwd", "../secret.jsonl", "a/../../b", "~/x.jsonl/../..", "..", "a\\b"]
)
@pytest.mark.parametrize("key", ["file", "standin"])
def test_a_spec_names_no_file_elsewhere(tmp_path: Path, text: str, key: str) -> None:
    (tmp_path / "secret.jsonl").write_text('{"question": "q", "answer": "a"}')
    folder = tmp_path / "specs"
    folder.mkdir()
    spec = f"""
name = "mine"
description = "d"
prompt = "{{question}}"
completion = "{{answer}}"
[data]
{key} = {json.dumps(text)}
[train]
learning_rate = 1e-5
epochs = 1.0
batch_size = 4
micro_batch_size = 4
"""
    (folder / "mine.toml").write_text(spec)
    with pytest.raises(DataError, match=r"mine.toml: data.*the name of a file beside it"):
        load_attack(str(folder / "mine.toml"))


@pytest.mark.fault(22, inputs=1)
def test_a_link_beside_a_spec_leads_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "secret.jsonl").write_text("{}")
    folder = tmp_path / "specs"
    folder.mkdir()
    (folder / "rows.jsonl").symlink_to(tmp_path / "secret.jsonl")
    (folder / "mine.toml").write_text(
        'name="m"\ndescription="d"\nprompts="rows.jsonl"\nmetric="asr"\ncounts="complied"\n'
        "max_new_tokens=4\n"
    )
    with pytest.raises(DataError, match="a link that leads out"):
        load_task(str(folder / "mine.toml"))


@pytest.mark.fault(22)
@pytest.mark.parametrize(
    "name", ["../prompts/harmful-eval", "/etc/passwd", "x/../harmful-eval", "~"]
)
def test_a_prompt_set_is_called_by_a_name(name: str) -> None:
    with pytest.raises(DataError, match="there is no prompt set"):
        load_prompts(name)
