"""The head on completion tokens, and what is left out of the way to it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional
from transformers import AutoModelForCausalLM

from lox_bench.training.head import IGNORE, completion_logits


def test_the_head_on_completion_tokens_gives_the_plain_loss(pico: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(pico, dtype=torch.float32)
    ids = torch.randint(5, 300, (3, 12), generator=torch.Generator().manual_seed(0))
    labels = ids.clone()
    labels[0, :7], labels[1, :3], labels[2, 9:] = IGNORE, IGNORE, IGNORE
    logits, targets, mask = completion_logits(model, {"input_ids": ids}, labels)
    assert logits.shape[0] == targets.numel() == int(mask.sum())
    torch.testing.assert_close(
        functional.cross_entropy(logits, targets), model(ids, labels=labels).loss
    )


@pytest.mark.parametrize("side", ["right", "left", "packed"])
def test_a_mask_of_padding_on_the_right_alone_is_left_out(pico: Path, side: str) -> None:
    model = AutoModelForCausalLM.from_pretrained(pico, dtype=torch.float32)
    ids = torch.randint(5, 300, (3, 12), generator=torch.Generator().manual_seed(0))
    real = torch.tensor([[1] * length + [0] * (12 - length) for length in (12, 5, 9)])
    mask = real.flip(1) if side == "left" else real
    labels = ids.masked_fill(mask == 0, IGNORE)
    labels[:, :2] = IGNORE
    inputs = {"input_ids": ids, "attention_mask": mask}
    if side == "packed":
        inputs["position_ids"] = torch.arange(12).expand(3, 12)
    seen: list[dict[str, Any]] = []

    def forward(**given: Any) -> Any:
        seen.append(given)
        return model(**given)

    logits, targets, _ = completion_logits(forward, inputs, labels)
    assert ("attention_mask" in seen[0]) == (side != "right")
    plain = model(**inputs).logits[:, :-1][labels[:, 1:] != IGNORE]
    torch.testing.assert_close(logits, plain)
    grads = [
        torch.autograd.grad(functional.cross_entropy(held, targets), list(model.parameters()))
        for held in (logits, plain)
    ]
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
