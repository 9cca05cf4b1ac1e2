"""Repairs of an attacked weight, on single tensors."""

import torch
from torch import Tensor

from lox_bench.errors import NonFiniteError
from lox_bench.weights.lox import all_finite


def average(start: Tensor, tuned: Tensor, alpha: float) -> Tensor:
    """``(1 - alpha) * start + alpha * tuned`` of any shape, rounded once to the type of ``tuned``.

    Computed in float32, or in float64 if the weights are. Entries that are equal stay as they are.

    Raises:
        NonFiniteError: a weight holds NaN or infinity.
    """
    wide = torch.promote_types(tuned.dtype, torch.float32)
    mixed = torch.lerp(start.to(wide), tuned.to(wide), alpha)
    if not all_finite(mixed):
        raise NonFiniteError("the weights hold NaN or infinity")
    return mixed.to(tuned.dtype)
