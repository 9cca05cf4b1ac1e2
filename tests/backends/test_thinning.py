"""Rows that have ended leave the batch, and nothing else changes."""

from typing import Any

import pytest
import torch
from transformers import (
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen3NextConfig,
    Qwen3NextForCausalLM,
)

from lox_bench.backends.drawing import GumbelNoise
from lox_bench.backends.thinning import decode

CPU = torch.device("cpu")
STOPS, NEW = [3, *range(40, 52)], 24  # one token in five ends an answer
PROMPTS = [[7, *range(60, 60 + n)] for n in (1, 2, 3, 5, 8, 13, 4, 6, 9, 10)]
SIZES: dict[str, Any] = {
    "vocab_size": 64 + 16,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.5,  # else all rows say the same
}


def _llama() -> Any:
    return LlamaForCausalLM(LlamaConfig(**SIZES))


def _sliding() -> Any:
    return MistralForCausalLM(MistralConfig(**SIZES, sliding_window=6))


def _states_and_attention() -> Any:
    kinds = ["linear_attention", "full_attention"]
    return Qwen3NextForCausalLM(
        Qwen3NextConfig(
            **SIZES,
            head_dim=8,
            layer_types=kinds,
            num_experts=0,
            linear_num_key_heads=2,
            linear_num_value_heads=2,
            linear_key_head_dim=8,
            linear_value_head_dim=8,
        )
    )


def _states() -> Any:
    return MambaForCausalLM(
        MambaConfig(vocab_size=80, hidden_size=32, num_hidden_layers=2, initializer_range=0.5)
    )


def _alone(model: Any, prompt: list[int], noise: GumbelNoise | None = None) -> list[int]:
    found = model.generate(
        input_ids=torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        logits_processor=[noise] if noise else [],
        generation_config=GenerationConfig(
            max_new_tokens=NEW, do_sample=False, eos_token_id=STOPS, pad_token_id=STOPS[0]
        ),
    )
    return list(found[0, len(prompt) :].tolist())


def _answer(ids: list[int]) -> list[int]:
    """What stands before the end, and the end itself."""
    ends = [place for place, token in enumerate(ids) if token in STOPS]
    return ids[: ends[0] + 1] if ends else ids


class Counted:
    """A model's forward that notes how many rows it was given."""

    def __init__(self, model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows: list[int] = []
        plain = model.forward

        def forward(*args: Any, **inputs: Any) -> Any:
            self.rows.append(len(inputs["input_ids"]))
            return plain(*args, **inputs)

        monkeypatch.setattr(model, "forward", forward)


@pytest.mark.parametrize("made", [_llama, _sliding, _states_and_attention])
def test_answers_are_those_of_each_prompt_alone(made: Any) -> None:
    torch.manual_seed(0)
    model = made().eval()
    wanted = [_alone(model, prompt) for prompt in PROMPTS]
    found = decode(model.generate, PROMPTS, STOPS, NEW, CPU)
    assert [_answer(ids) for ids in found] == wanted
    assert len({len(ids) for ids in wanted}) > 3  # they do end at different times


def test_rows_that_have_ended_are_not_computed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    model = _llama().eval()
    lengths = [len(_alone(model, prompt)) for prompt in PROMPTS]
    counted = Counted(model, monkeypatch)
    decode(model.generate, PROMPTS, STOPS, NEW, CPU)
    assert counted.rows[0] == len(PROMPTS)
    assert sorted(counted.rows, reverse=True) == counted.rows
    assert len(counted.rows) == max(lengths)  # no step is made twice
    eighth = len(PROMPTS) / 8
    assert sum(lengths) <= sum(counted.rows) <= sum(lengths) + eighth * max(lengths)


def test_states_that_cannot_leave_are_computed_anew() -> None:
    torch.manual_seed(0)
    model = _states().eval()
    prompts = [[7, first, 60, 61, 62] for first in range(52, 64)]  # of one length: it knows no mask
    wanted = [_alone(model, prompt) for prompt in prompts]
    assert [_answer(ids) for ids in decode(model.generate, prompts, STOPS, NEW, CPU)] == wanted
    assert len({len(ids) for ids in wanted}) > 3


def test_a_row_draws_the_same_in_any_company() -> None:
    torch.manual_seed(0)
    model = _llama().eval()

    def noise(*seeds: int) -> GumbelNoise:
        return GumbelNoise(seeds, 1.0, CPU)

    wanted = [_alone(model, prompt, noise(seed)) for seed, prompt in enumerate(PROMPTS)]
    found = decode(model.generate, PROMPTS, STOPS, NEW, CPU, noise(*range(len(PROMPTS))))
    assert [_answer(ids) for ids in found] == wanted
    assert len({len(ids) for ids in wanted}) > 3


def test_all_rows_that_end_at_once_are_done() -> None:
    torch.manual_seed(0)
    model = _llama().eval()
    every = list(range(80))
    assert [len(ids) for ids in decode(model.generate, PROMPTS, every, NEW, CPU)] == [1] * 10
