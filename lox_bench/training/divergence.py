"""Kullback-Leibler divergence from another model's predictions, over the vocabulary, in chunks.

The other model's logits are never held as a whole: it gives the vectors that enter its head, and
the head is applied to a few hundred tokens at a time.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lox_bench.training.head import completion_logits

_CHUNK = 256  # tokens


class _TokenKl(torch.autograd.Function):
    """Its gradient is ``softmax(logits) - softmax(head(hidden))``: made on the way forward."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, hidden: Tensor, head: Callable[[Tensor], Tensor]
    ) -> Tensor:
        gradient, total = torch.empty_like(logits), logits.new_zeros((), dtype=torch.float32)
        for first in range(0, len(logits), _CHUNK):
            part = slice(first, first + _CHUNK)
            wanted = head(hidden[part]).float().log_softmax(-1)
            found = logits[part].float().log_softmax(-1)
            likely = wanted.exp()
            total += (likely * (wanted - found)).sum()
            gradient[part] = found.exp() - likely
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * outer.to(gradient.dtype), None, None


def token_kl(logits: Tensor, hidden: Tensor, head: Callable[[Tensor], Tensor]) -> Tensor:
    """``sum_t KL(softmax(head(hidden_t)) || softmax(logits_t))``, in nats, float32.

    Args:
        logits: ``(tokens, vocab)``; the gradient is with respect to them.
        hidden: ``(tokens, width)``, what enters the other model's head.
        head: that head, ``(n, width)`` to ``(n, vocab)``.
    """
    total: Tensor = _TokenKl.apply(logits, hidden, head)  # type: ignore[no-untyped-call]
    return total


@torch.no_grad()
def entering_head(model: Any, inputs: dict[str, Any], labels: Tensor) -> Tensor:
    """What enters the head at positions that predict a labelled token, ``(labelled, width)``.

    The head itself is computed at one position only.
    """
    caught: list[Tensor] = []

    def catch(_module: Any, entering: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        caught.append(entering[0])
        return (entering[0][:1], *entering[1:])

    hook = model.get_output_embeddings().register_forward_pre_hook(catch)
    try:
        completion_logits(model, inputs, labels)
    finally:
        hook.remove()
    return caught[-1]
