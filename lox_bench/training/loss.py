"""Cross-entropy of completion tokens by torch's own ``linear_cross_entropy``, piece by piece.

Logits are by far the largest tensor of a training step (880 tokens of 49,152 values: 165 MiB, and
as much again for their logarithms and for each gradient). On a CPU that memory comes anew from the
system in every step: 4 s of processor time for such a step, and mostly 0.3 to 0.5 s in pieces.
Gradients are computed with the loss, so that no logits are kept and nothing is computed twice.
"""

from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from lox_bench.training.head import completion_logits, predicting, without_idle_mask
from lox_bench.training.quiet import quietly

_PIECE: Final = 32 << 20  # bytes of logits at once: up to here glibc keeps what is freed
_LEAST: Final = 16  # tokens
_SAME: Final = 1e-4  # relative: rounding stays below, a scale or a cap on the logits above
_IN_PIECES: Final = hasattr(nn, "LinearCrossEntropyOptions")  # torch 2.13


@dataclass(frozen=True, slots=True)
class LinearHead:
    """A model whose logits are its last hidden states times a matrix, and nothing else."""

    decoder: nn.Module
    head: nn.Linear


def linear_head(model: Any) -> LinearHead | None:
    """The model's head, if it is a plain one in float32 on a CPU; the model itself is asked.

    Elsewhere (a GPU, lower precision, a head that scales, caps or has adapters), the logits are
    wanted as a whole.
    """
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    head = inner.get_output_embeddings()
    if not _IN_PIECES or type(head) is not nn.Linear or head.weight.device.type != "cpu":
        return None
    if torch.is_autocast_enabled("cpu") or head.weight.dtype != torch.float32:
        return None
    ids, decoder = torch.arange(5)[None], inner.get_decoder()
    with quietly(model), torch.no_grad():
        hidden = getattr(decoder(input_ids=ids, use_cache=False), "last_hidden_state", None)
        if hidden is None or hidden.dtype != torch.float32:
            return None
        wanted, found = model(input_ids=ids, use_cache=False).logits, head(hidden)
    alike = float((found - wanted).abs().max()) <= _SAME * float(wanted.abs().max())
    return LinearHead(decoder, head) if alike else None


def completion_loss(
    model: Any, inputs: dict[str, Any], labels: Tensor, plain: LinearHead | None
) -> Tensor:
    """Cross-entropy summed over the labelled tokens: a scalar in float32, in nats.

    Args:
        model: a causal language model.
        inputs: its keyword arguments, without labels.
        labels: ``(batch, length)``, ``-100`` where no loss is taken.
        plain: the model's ``linear_head``; with ``None`` its logits are computed as a whole.
    """
    if plain is None:
        logits, targets, _ = completion_logits(model, inputs, labels)
        return functional.cross_entropy(logits.float(), targets, reduction="sum")
    wanted = predicting(labels)
    inputs = without_idle_mask(inputs, labels.shape)
    hidden = plain.decoder(**inputs, use_cache=False).last_hidden_state
    tokens = max(_LEAST, _PIECE // (hidden.element_size() * plain.head.out_features))
    loss: Tensor = functional.linear_cross_entropy(
        hidden[:, :-1][wanted],
        plain.head.weight,
        labels[:, 1:][wanted],
        linear_bias=plain.head.bias,
        reduction="sum",
        options=nn.LinearCrossEntropyOptions(batch_chunk_size=tokens),
    )
    return loss
