"""A pico Llama, and a family of it."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from lox_bench.backends.template import load_template
from lox_bench.registry import packaged_file

CHATML = load_template("chatml")


class NoProgress:
    """Ignores progress."""

    def step(self, done: int, total: int, detail: str = "") -> None:
        pass


def pico_tokenizer() -> PreTrainedTokenizerFast:
    """Byte pairs of a few hundred prompts, with ChatML's marks."""
    file = packaged_file("prompts/harmful-align.jsonl")
    lines = file.read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["prompt"] for line in lines]
    model = Tokenizer(models.BPE())
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
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


FAMILY = """
name = "pico"
description = "two random layers, for tests"
base = "{base}"
template = "chatml"
max_new_tokens = 40
dtype = "float32"

[lox]
k = 2
alpha = 0.5

[attack_scale]
batch_size = 4
micro_batch_size = 4
warmup_steps = 1
max_rows = 12

[align.dpo]
harmful = "harmful-align"
benign = "benign-align"
answer_tokens = 4
max_pairs = 12
beta = 0.1
sft_weight = 1.0
refusals = ["No."]

[align.dpo.train]
learning_rate = 1e-3
epochs = 1.0
batch_size = 4
micro_batch_size = 4
"""
