"""Rows that have ended leave the batch, and nothing else changes."""

from functools import partial
from typing import Any

import pytest
import torch
from support.tiny import TINY, llama, states, windowed
from transformers import GenerationConfig, Qwen3NextConfig, Qwen3NextForCausalLM

from lox_bench.backends.drawing import GumbelNoise
from lox_bench.backends.thinning import decode

CPU = torch.device("cpu")
STOPS, NEW = [3, *range(40, 52)], 24  # one token in five ends an answer
PROMPTS = [[7, *range(60, 60 + n)] for n in (1, 2, 3, 5, 8, 13, 4, 6, 9, 10)]
SHAPE: dict[str, Any] = {"vocab_size": 80, "initializer_range": 0.5}  # else all rows say the same


def _states_and_attention() -> Any:
    torch.manual_seed(0)
    return Qwen3NextForCausalLM(
        Qwen3NextConfig(
            **TINY | SHAPE,
            head_dim=8,
            layer_types=["linear_attention", "full_attention"],
            num_experts=0,
            linear_num_key_heads=2,
            linear_num_value_heads=2,
            linear_key_head_dim=8,
            linear_value_head_dim=8,
        )
    ).eval()


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


@pytest.mark.parametrize(
    "made",
    [partial(llama, **SHAPE), partial(windowed, **SHAPE), _states_and_attention],
    ids=["whole", "windowed", "states and attention"],
)
def test_answers_are_those_of_each_prompt_alone(made: Any) -> None:
    model = made()
    wanted = [_alone(model, prompt) for prompt in PROMPTS]
    found = decode(model.generate, PROMPTS, STOPS, NEW, CPU)
    assert [_answer(ids) for ids in found] == wanted
    assert len({len(ids) for ids in wanted}) > 3  # they do end at different times


def test_rows_that_have_ended_are_not_computed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = llama(**SHAPE)
    lengths = [len(_alone(model, prompt)) for prompt in PROMPTS]
    counted = Counted(model, monkeypatch)
    decode(model.generate, PROMPTS, STOPS, NEW, CPU)
    assert counted.rows[0] == len(PROMPTS)
    assert sorted(counted.rows, reverse=True) == counted.rows
    assert len(counted.rows) == max(lengths)  # no step is made twice
    eighth = len(PROMPTS) / 8
    assert sum(lengths) <= sum(counted.rows) <= sum(lengths) + eighth * max(lengths)


def test_states_that_cannot_leave_are_computed_anew() -> None:
    model = states(**SHAPE)
    prompts = [[7, first, 60, 61, 62] for first in range(52, 64)]  # of one length: it knows no mask
    wanted = [_alone(model, prompt) for prompt in prompts]
    assert [_answer(ids) for ids in decode(model.generate, prompts, STOPS, NEW, CPU)] == wanted
    assert len({len(ids) for ids in wanted}) > 3


def test_a_row_draws_the_same_in_any_company() -> None:
    model = llama(**SHAPE)

    def noise(*seeds: int) -> GumbelNoise:
        return GumbelNoise(seeds, 1.0, CPU)

    wanted = [_alone(model, prompt, noise(seed)) for seed, prompt in enumerate(PROMPTS)]
    found = decode(model.generate, PROMPTS, STOPS, NEW, CPU, noise(*range(len(PROMPTS))))
    assert [_answer(ids) for ids in found] == wanted
    assert len({len(ids) for ids in wanted}) > 3


def test_all_rows_that_end_at_once_are_done() -> None:
    model = llama(**SHAPE)
    every = list(range(80))
    assert [len(ids) for ids in decode(model.generate, PROMPTS, every, NEW, CPU)] == [1] * 10
