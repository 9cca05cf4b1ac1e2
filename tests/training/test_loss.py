"""The loss in pieces: the same number and gradients, and only where the head is a plain one."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from support.tiny import TINY, llama
from torch.nn import functional
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    GPTJConfig,
    GPTJForCausalLM,
    GraniteConfig,
    GraniteForCausalLM,
)

from lox_bench.training import loss
from lox_bench.training.head import IGNORE
from lox_bench.training.loss import completion_loss, linear_head


def _rows() -> tuple[dict[str, Any], torch.Tensor]:
    ids = torch.randint(5, 300, (4, 12), generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[1] * length + [0] * (12 - length) for length in (12, 5, 9, 11)])
    labels = ids.masked_fill(mask == 0, IGNORE)
    labels[:, :3] = IGNORE
    return {"input_ids": ids, "attention_mask": mask}, labels


def _plain(model: Any, inputs: dict[str, Any], labels: torch.Tensor) -> torch.Tensor:
    logits = model(**inputs).logits[:, :-1]
    return functional.cross_entropy(
        logits.flatten(0, 1), labels[:, 1:].flatten(), reduction="sum", ignore_index=IGNORE
    )


def _require_equal(model: Any) -> None:
    inputs, labels = _rows()
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    found = completion_loss(model, inputs, labels, linear_head(model))
    wanted = _plain(model, inputs, labels)
    torch.testing.assert_close(found, wanted)
    ones, others = (torch.autograd.grad(total, weights) for total in (found, wanted))
    for one, other in zip(ones, others, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("piece", [1, 5 * 4 * 320, 1 << 30])
def test_in_pieces_of_any_size(pico: Path, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss, "_PIECE", piece)
    monkeypatch.setattr(loss, "_LEAST", 1)
    model = AutoModelForCausalLM.from_pretrained(pico, dtype=torch.float32).train()
    assert linear_head(model) is not None
    _require_equal(model)
    assert model.training


def test_adapters_are_in_it(pico: Path) -> None:
    plain = AutoModelForCausalLM.from_pretrained(pico, dtype=torch.float32)
    model = get_peft_model(plain, LoraConfig(target_modules="all-linear", init_lora_weights=False))
    assert linear_head(model) is not None
    _require_equal(model)


def test_a_bias_of_the_head_is_in_it() -> None:
    torch.manual_seed(0)
    config = GPTJConfig(vocab_size=320, n_embd=32, n_layer=2, n_head=4, rotary_dim=4)
    model = GPTJForCausalLM(config).eval()
    torch.nn.init.normal_(model.lm_head.bias)
    assert linear_head(model) is not None
    _require_equal(model)


@pytest.mark.parametrize("kind", ["caps", "scales", "has adapters", "is rounded"])
def test_a_head_that_does_more_is_computed_as_a_whole(pico: Path, kind: str) -> None:
    torch.manual_seed(0)
    made: Any
    if kind == "caps":
        made = Gemma2ForCausalLM(Gemma2Config(**TINY, head_dim=8, final_logit_softcapping=0.1))
    elif kind == "scales":
        made = GraniteForCausalLM(GraniteConfig(**TINY, logits_scaling=8.0))
    elif kind == "has adapters":
        targets = LoraConfig(target_modules=["lm_head"], init_lora_weights=False)
        made = get_peft_model(llama(), targets)
    else:
        made = AutoModelForCausalLM.from_pretrained(pico, dtype=torch.bfloat16)
    assert linear_head(made.eval()) is None
    if kind != "is rounded":
        _require_equal(made)


def test_nothing_is_asked_of_a_model_in_autocast(pico: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(pico, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        assert linear_head(model) is None
