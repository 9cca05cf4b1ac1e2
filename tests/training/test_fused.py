"""What TRL's DPO asks of a model: the same numbers and gradients, of fewer tokens."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from support.tiny import TINY, llama, states, windowed
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from lox_bench.training.fused import fused, fused_rows
from lox_bench.training.head import IGNORE
from lox_bench.training.pairs import is_paired, takes_masks

PAIRS = [(5, 3, 9), (2, 7, 7), (9, 1, 2), (1, 8, 1), (4, 4, 15), (7, 12, 3)]  # prompt and answers


def _batch(pairs: list[tuple[int, int, int]] = PAIRS) -> tuple[dict[str, Any], torch.Tensor]:
    """As TRL's collator makes it: chosen rows, then rejected ones, padded on the right."""
    rng = torch.Generator().manual_seed(0)
    rows: list[tuple[list[int], int]] = []
    prompts = [torch.randint(5, 300, (prompt,), generator=rng).tolist() for prompt, _, _ in pairs]
    for place in (1, 2):
        for prompt, sizes in zip(prompts, pairs, strict=True):
            answer = torch.randint(5, 300, (sizes[place],), generator=rng).tolist()
            rows.append((prompt + answer, len(prompt)))
    width = max(len(row) for row, _ in rows)
    ids = torch.tensor([row + [0] * (width - len(row)) for row, _ in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row, _ in rows])
    labels = ids.masked_fill(mask == 0, IGNORE)
    for row, (_, start) in zip(labels, rows, strict=True):
        row[:start] = IGNORE
    return {"input_ids": ids, "attention_mask": mask}, labels


def _given(inputs: dict[str, Any], labels: torch.Tensor) -> dict[str, Any]:
    return {**inputs, "labels": labels, "use_cache": False}


@pytest.mark.parametrize("shares", [True, False])
@pytest.mark.parametrize("pairs", [PAIRS, PAIRS[:1], PAIRS[:3]])
def test_the_same_numbers_and_gradients(
    pico: Path, shares: bool, pairs: list[tuple[int, int, int]]
) -> None:
    model = AutoModelForCausalLM.from_pretrained(pico, dtype=torch.float32)
    inputs, labels = _batch(pairs)
    found = fused(model.forward, _given(inputs, labels), shares)
    whole = fused_rows(model.forward, inputs, labels)
    weights = list(model.parameters())
    for name in whole:
        torch.testing.assert_close(found[name], whole[name])
    signs = torch.tensor([1.0] * len(pairs) + [-0.5] * len(pairs))[:, None]
    one, other = (
        torch.autograd.grad((out.log_probs * signs).sum(), weights) for out in (found, whole)
    )
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_the_same_numbers_in_bfloat16(pico: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(pico, dtype=torch.float32)
    inputs, labels = _batch()
    with torch.autocast("cpu", torch.bfloat16):
        found = fused(model.forward, _given(inputs, labels), True).log_probs
        whole = fused_rows(model.forward, inputs, labels).log_probs
    torch.testing.assert_close(found, whole, rtol=0.02, atol=0.05)


def test_each_prompt_is_computed_once(pico: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(pico, dtype=torch.float32)
    inputs, labels = _batch()
    seen: list[torch.Size] = []

    def forward(**given: Any) -> Any:
        seen.append(given["input_ids"].shape)
        return model(**given)

    assert is_paired(inputs, labels)
    fused(forward, _given(inputs, labels), True)
    assert sum(rows for rows, _ in seen) == len(PAIRS)
    short, long = sorted(width for _, width in seen)
    assert (short, long) == (16, 23)  # the third shortest of all, and the longest


def test_what_is_no_pair_is_computed_as_it_is(pico: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(pico, dtype=torch.float32)
    inputs, labels = _batch()
    other = {**inputs, "input_ids": inputs["input_ids"].clone()}
    other["input_ids"][0, 2] = 301  # another word in the prompt of the chosen answer alone
    part = labels.clone()
    part[1, 4] = IGNORE  # an answer with a hole
    whole = inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, IGNORE)  # no prompt
    for given, wanted in ((other, labels), (inputs, part), (inputs, whole)):
        assert not is_paired(given, wanted)
        found = fused(model.forward, _given(given, wanted), True)
        plain = fused_rows(model.forward, given, wanted)
        torch.testing.assert_close(found.log_probs, plain.log_probs)
    assert not is_paired({**inputs, "output_router_logits": True}, labels)
    assert not is_paired({key: value[1:] for key, value in inputs.items()}, labels[1:])


def _qwen_without_its_window() -> Any:
    return Qwen2ForCausalLM(Qwen2Config(**TINY, use_sliding_window=False)).eval()


def _gpt2() -> Any:  # learnt positions; it drops out in training
    return GPT2LMHeadModel(GPT2Config(vocab_size=320, n_embd=32, n_layer=2, n_head=4))


@pytest.mark.parametrize(
    ("made", "takes"),
    [
        (llama, True),
        (_qwen_without_its_window, True),
        (_gpt2, True),
        (windowed, False),
        (partial(llama, "eager"), False),
        (states, False),
    ],
    ids=["llama", "qwen2", "gpt2", "windowed", "eager", "states"],
)
def test_models_that_may_share_prompts(made: Any, takes: bool) -> None:
    model = made()
    assert takes_masks(model) is takes
    model.eval()
    inputs, labels = _batch()
    told = fused(model.forward, _given(inputs, labels), takes)
    torch.testing.assert_close(
        told.log_probs, fused_rows(model.forward, inputs, labels).log_probs, rtol=1e-3, atol=1e-4
    )


def test_a_model_that_ignores_the_mask_is_found_out(
    pico: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = AutoModelForCausalLM.from_pretrained(pico, dtype=torch.float32)
    assert takes_masks(model)
    plain = model.forward

    def blind(attention_mask: Any = None, **more: Any) -> Any:
        del attention_mask
        return plain(**more)

    monkeypatch.setattr(model, "forward", blind)
    assert not takes_masks(model)
