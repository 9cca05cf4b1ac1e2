"""All that can change an answer is in a model's identity, and nothing else."""

import json
import os
import shutil
from pathlib import Path

import pytest

from lox_bench.sources.identity import identify

READ = [
    "chat_template.jinja", "chat_template.json", "additional_chat_templates/rag.jinja",
    "generation_config.json", "config.json", "tokenizer.json", "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json", "tokenizer.model", "spiece.model",
    "source.spm", "vocab.json", "merges.txt", "vocab.txt", "vocab.bpe", "qwen.tiktoken",
    "tokenizer.model.v3", "preprocessor_config.json",
]  # fmt: skip
BESIDE = ["README.md", "notes.csv", "train.log", "pytorch_model.bin", "evil.py", "model.gguf",
          ".gitattributes", "picture.png"]  # fmt: skip


@pytest.fixture
def folder(pico: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pico, tmp_path / "model"))


def edit(folder: Path, name: str, text: str) -> None:
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    if name.endswith(".json"):
        text = json.dumps({**json.loads(file.read_text() if file.exists() else "{}"), "note": text})
    file.write_text(text)


@pytest.mark.fault(2)
@pytest.mark.parametrize("name", READ)
def test_an_edit_makes_another_model(folder: Path, name: str) -> None:
    before = identify(str(folder))
    edit(folder, name, "one")
    first = identify(str(folder))
    edit(folder, name, "two")  # of the same length
    assert len({before, first, identify(str(folder))}) == 3


@pytest.mark.fault(2)
def test_so_does_one_that_keeps_size_and_time(folder: Path) -> None:
    edit(folder, "chat_template.jinja", "one")
    before, stat = identify(str(folder)), (folder / "chat_template.jinja").stat()
    edit(folder, "chat_template.jinja", "two")
    os.utime(folder / "chat_template.jinja", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert identify(str(folder)) != before


@pytest.mark.parametrize("name", BESIDE)
def test_what_nobody_reads_changes_nothing(folder: Path, name: str) -> None:
    before = identify(str(folder))
    edit(folder, name, "text")
    assert identify(str(folder)) == before
