"""Answer TRL's ``model(..., fused_lm_head=True)``: the head on completion tokens, little padding.

DPO's batch is chosen answers, then rejected ones, each behind its prompt. Where the model takes a
mask of ours, the prompt of a pair is computed once (``pairs.py``).
"""

import types
from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel
from trl.trainer.utils import FusedCausalLMOutput

from lox_bench.training.head import completion_logits, predicting
from lox_bench.training.pairs import is_paired, joined, takes_masks

_SPLIT: Final = 4  # rows from which on short and long ones are computed apart
Forward = Callable[..., Any]


def serve_fused_calls(model: PreTrainedModel) -> None:
    """Answer TRL's ``model(..., fused_lm_head=True)`` with the completion-only head."""
    plain, shares = model.forward, takes_masks(model)

    def forward(_self: Any, *args: Any, fused_lm_head: bool = False, **inputs: Any) -> Any:
        return fused(plain, inputs, shares) if fused_lm_head else plain(*args, **inputs)

    model.forward = types.MethodType(forward, model)


def fused(plain: Forward, inputs: dict[str, Any], shares: bool) -> FusedCausalLMOutput:
    """Short and long rows apart, each padded to its own longest: half of a pair is a refusal.

    Args:
        plain: a causal language model's forward method.
        inputs: its arguments, labels among them; padding on the right is left out.
        shares: whether it may compute a pair's prompt once.
    """
    labels, mask = inputs.pop("labels"), inputs["attention_mask"]
    inputs.pop("use_cache", None)
    if not bool(mask[:, 0].all()):  # padded on the left: as they are
        return fused_rows(plain, inputs, labels)
    if shares and is_paired(inputs, labels):
        lengths, rows = mask.sum(1), torch.arange(len(mask), device=mask.device)
        order = (lengths[: len(mask) // 2] + lengths[len(mask) // 2 :]).argsort(stable=True)
        parts = [rows.view(2, -1)[:, some].flatten() for some in _halves(order)]
        compute: Callable[..., FusedCausalLMOutput] = _fused_pairs
    else:
        parts, compute = _halves(mask.sum(1).argsort(stable=True)), fused_rows
    made = [compute(plain, *_narrow(inputs, labels, rows)) for rows in parts]
    back, length = torch.cat(parts).argsort(), mask.shape[1] - 1
    return FusedCausalLMOutput(
        **{name: _stacked([part[name] for part in made], back, length) for name in made[0]}
    )


def _halves(order: Tensor) -> list[Tensor]:
    return list(order.chunk(2)) if len(order) >= _SPLIT else [order]


def _narrow(inputs: dict[str, Any], labels: Tensor, rows: Tensor) -> tuple[dict[str, Any], Tensor]:
    """Some rows, as wide as the longest of them."""
    mask = inputs["attention_mask"]
    width = int(mask[rows].sum(1).max())
    held = {
        key: value[rows, :width] if _is_per_token(value, mask) else value
        for key, value in inputs.items()
    }
    return held, labels[rows, :width]


def _is_per_token(value: Any, mask: Tensor) -> bool:
    return isinstance(value, Tensor) and value.shape[:2] == mask.shape


def _stacked(parts: list[Tensor], back: Tensor, length: int) -> Tensor:
    """Parts of rows as one batch again, in the order they came, padded with zeros."""
    wide = [functional.pad(part, (0, length - part.shape[1])) for part in parts]
    return torch.cat(wide)[back]


def _fused_pairs(plain: Forward, inputs: dict[str, Any], labels: Tensor) -> FusedCausalLMOutput:
    """Pairs, the chosen rows first: each prompt once."""
    pairs = joined(inputs, labels)
    logits, _, _ = completion_logits(plain, pairs.inputs, pairs.labels)
    return _read(logits, labels, pairs.predicted_by)


def fused_rows(plain: Forward, inputs: dict[str, Any], labels: Tensor) -> FusedCausalLMOutput:
    """Every row by itself."""
    logits, targets, _ = completion_logits(plain, inputs, labels)
    return _read(logits, labels, torch.arange(len(targets), device=targets.device))


def _read(logits: Tensor, labels: Tensor, predicted_by: Tensor) -> FusedCausalLMOutput:
    """What TRL asks of each labelled token; ``predicted_by`` is the row of ``logits`` for it."""
    mask = predicting(labels)
    targets = labels[:, 1:][mask]
    log_probs = functional.log_softmax(logits.float(), dim=-1)
    with torch.no_grad():
        entropy = -(log_probs.exp() * log_probs).sum(-1)[predicted_by]
        top1 = logits.argmax(-1)[predicted_by] == targets
        mean = logits.float().mean(-1)[predicted_by]
    return FusedCausalLMOutput(
        log_probs=_spread(log_probs[predicted_by, targets], mask),
        entropy=_spread(entropy, mask),
        mean_logits=_spread(mean, mask),
        is_top1=_spread(top1, mask),
        label_mask=mask,
    )


def _spread(values: Tensor, mask: Tensor) -> Tensor:
    return values.new_zeros(mask.shape).masked_scatter(mask, values)
