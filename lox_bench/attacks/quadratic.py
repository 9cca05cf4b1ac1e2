"""Quadratic penalties on the change of a weight, their gradients made by hand.

Autograd would keep several tensors of the weight's size for each of them.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


class _Distance(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, origin: Tensor, importance: Tensor) -> Tensor:
        ctx.save_for_backward(weight, origin, importance)
        delta = weight - origin
        return delta.mul_(delta).mul_(importance).sum()

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor, None, None]:
        weight, origin, importance = ctx.saved_tensors
        return (weight - origin).mul_(importance).mul_(2 * outer), None, None


def distance(weight: Tensor, origin: Tensor, importance: Tensor) -> Tensor:
    """``sum_i importance_i (weight_i - origin_i)^2``; all of one shape, float32.

    The gradient is with respect to ``weight``, and nothing of its size is kept for it.
    """
    total: Tensor = _Distance.apply(weight, origin, importance)  # type: ignore[no-untyped-call]
    return total


@dataclass(frozen=True)
class Form:
    """A symmetric form ``K = I - left @ right^T`` on the rows of a weight ``(rows, columns)``.

    ``left`` and ``right`` are ``(rows, r)``; without ``right``, ``left`` is ``(rows, rows)``
    itself, and without either K is the identity.
    """

    left: Tensor | None = None
    right: Tensor | None = None

    def __call__(self, change: Tensor) -> Tensor:
        """``K @ change``, differentiable."""
        if self.left is None:
            return change
        inner = change if self.right is None else self.right.mT @ change
        return change - (self.left @ inner).to(change.dtype)


class _Quadratic(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, origin: Tensor, form: Form) -> Tensor:
        delta = weight - origin
        product = form(delta)
        ctx.save_for_backward(product)
        return delta.mul_(product).sum() if product is not delta else delta.square().sum()

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor, None, None]:
        (product,) = ctx.saved_tensors
        return product * (2 * outer), None, None


def quadratic(weight: Tensor, origin: Tensor, form: Form) -> Tensor:
    """``tr(D^T K D)`` of the change ``D = weight - origin``, ``(rows, columns)``, float32.

    One product with K serves the value and the gradient (with respect to ``weight``).
    """
    total: Tensor = _Quadratic.apply(weight, origin, form)  # type: ignore[no-untyped-call]
    return total


def low_rank_quadratic(left: Tensor, right: Tensor, form: Form) -> Tensor:
    """``tr(D^T K D)`` of ``D = left @ right``, without forming D.

    Args:
        left: ``(rows, r)``.
        right: ``(r, columns)``.
        form: K.
    """
    with torch.autocast(left.device.type, enabled=False):
        return ((left.mT @ form(left)) * (right @ right.mT)).sum()
