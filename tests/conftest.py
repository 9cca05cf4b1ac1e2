"""A pico Llama with a real tokenizer, made on the spot: no test downloads a model."""

import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
from support.pico import NoProgress, save_pico
from support.run_folders import Command, Done
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from lox_bench.cli.main import entry
from lox_bench.registry import packaged_file

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
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    texts = [prompt["prompt"] for prompt in _prompts()]
    model = Tokenizer(models.BPE())
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    from tokenizers import decoders

    model.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    model.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=model, bos_token="<|im_start|>", eos_token="<|im_end|>"
    )


@pytest.fixture(scope="session")
def pico(tmp_path_factory: pytest.TempPathFactory, tokenizer: PreTrainedTokenizerFast) -> Path:
    return save_pico(tmp_path_factory.mktemp("pico"), tokenizer, seed=0)


@pytest.fixture(scope="session")
def pico_aligned(
    tmp_path_factory: pytest.TempPathFactory, tokenizer: PreTrainedTokenizerFast
) -> Path:
    return save_pico(tmp_path_factory.mktemp("pico-aligned"), tokenizer, seed=1)


def _prompts() -> list[dict[str, str]]:
    import json

    text = packaged_file("prompts/harmful-align.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


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
