"""A pico Llama with a real tokenizer, made on the spot: no test downloads a model."""

import sys
from pathlib import Path

import pytest
import torch
from run_folders import Command, Done
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from lox_bench import specs
from lox_bench.cli.main import entry

CHATML = specs.load_template("chatml")


class NoProgress:
    """Ignores progress."""

    def step(self, done: int, total: int, detail: str = "") -> None:
        pass


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


def save_pico(
    path: Path, tokenizer: PreTrainedTokenizerFast, *, seed: int = 0, tied: bool = True, **size: int
) -> Path:
    """Save a random two-layer Llama with the tokenizer."""
    torch.manual_seed(seed)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, **size}
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=tied,
        initializer_range=0.2,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
        **shape,
    )
    LlamaForCausalLM(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


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

    text = specs.packaged_file("prompts/harmful-align.jsonl").read_text(encoding="utf-8")
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
