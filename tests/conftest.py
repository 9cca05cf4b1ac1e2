"""A pico Llama with a real tokenizer, made on the spot: no test downloads a model."""

import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
from support.pico import NoProgress, pico_tokenizer, save_pico
from support.run_folders import Command, Done
from transformers import PreTrainedTokenizerFast

from lox_bench.cli.main import entry
from lox_bench.pyfile import PREFIX

TRIED = pytest.StashKey[Counter[int]]()  # inputs by kind of fault


@pytest.hookimpl(tryfirst=True)  # before the slow ones are left out
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    marks = [mark for item in items for mark in item.iter_markers("fault")]
    config.stash[TRIED] = Counter()
    for mark in marks:
        config.stash[TRIED][mark.args[0]] += mark.kwargs.get("inputs", 1)


@pytest.fixture(scope="session")
def faults_tried(pytestconfig: pytest.Config) -> Counter[int]:
    """How many inputs of each kind of docs/faults.md the collected tests try."""
    return pytestconfig.stash[TRIED]


@pytest.fixture(scope="session")
def silent() -> NoProgress:
    return NoProgress()


@pytest.fixture
def no_files_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers load what this process has loaded from files, and other tests' files are gone."""
    for name in [name for name in sys.modules if name.startswith(PREFIX)]:
        monkeypatch.delitem(sys.modules, name)


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    return pico_tokenizer()


@pytest.fixture(scope="session")
def pico(tmp_path_factory: pytest.TempPathFactory, tokenizer: PreTrainedTokenizerFast) -> Path:
    return save_pico(tmp_path_factory.mktemp("pico"), tokenizer, seed=0)


@pytest.fixture(scope="session")
def pico_aligned(
    tmp_path_factory: pytest.TempPathFactory, tokenizer: PreTrainedTokenizerFast
) -> Path:
    return save_pico(tmp_path_factory.mktemp("pico-aligned"), tokenizer, seed=1)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Call ``lox-bench`` in this process, on a terminal wide enough for its tables."""
    monkeypatch.setenv("COLUMNS", "220")

    def call(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["lox-bench", *arguments])
        with pytest.raises(SystemExit) as stop:
            entry()
        out, err = capsys.readouterr()
        return Done(int(stop.value.code or 0), out, err)

    return call
