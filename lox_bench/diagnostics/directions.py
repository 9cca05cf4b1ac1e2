"""Directions in weight space, on single tensors: random ones, and the geometry of two.

A direction gives one step per tensor; a model is moved by ``sum(c_i * step_i)``. The landscape of
arXiv 2506.15606 spans LoX's step and the fine-tuning step, the second made orthogonal to the
first (Gram-Schmidt over all weights); the random ones follow arXiv 1712.09913 (each filter scaled
to the norm of the weights' filter) and arXiv 2405.17374 (each tensor scaled to the tensor's norm).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from lox_bench.errors import NonFiniteError
from lox_bench.weights.controls import generator_of
from lox_bench.weights.lox import all_finite
from lox_bench.weights.select import MATRIX_DIMS

FILTER, TENSOR = "filter", "tensor"
NORMS: Final = (FILTER, TENSOR)
_SAME = 1e-9  # squared sine of the smallest angle between two directions that float32 tells apart


def random_step(name: str, weight: Tensor, *, seed: int, norm: str) -> Tensor:
    """A Gaussian step of the size of ``weight``, in float32.

    Args:
        name: the tensor's; with the seed it fixes the random stream.
        weight: any shape; rows ``(..., out, in)`` are filters.
        seed: of the direction.
        norm: ``filter``: each row has the norm of the weight's row, vectors are not moved;
            ``tensor``: the whole has the norm of the whole weight, vectors included.
    """
    wide = weight.to(torch.float32)
    if norm == FILTER and weight.ndim < MATRIX_DIMS:
        return torch.zeros_like(wide)
    drawn = torch.randn(weight.shape, generator=generator_of(seed, name))
    kept = -1 if norm == FILTER else None  # the dimension whose vectors are scaled; all of them
    size, wanted = (
        torch.linalg.vector_norm(tensor, dim=kept, keepdim=True) for tensor in (drawn, wide)
    )
    return drawn.mul_(wanted / size)


def moved(weight: Tensor, steps: Sequence[Tensor], factors: Sequence[float]) -> Tensor:
    """``weight + sum(factor * step)``, computed in float32 and rounded once."""
    result = weight.to(torch.float32, copy=True)
    for step, factor in zip(steps, factors, strict=True):
        result.add_(step, alpha=factor)
    if not all_finite(result):
        raise NonFiniteError("the weights hold NaN or infinity")
    return result.to(weight.dtype)


@dataclass(slots=True)
class Gram:
    """Inner products of two directions, summed tensor by tensor (float64)."""

    first: float = 0.0  # squared norm
    second: float = 0.0
    cross: float = 0.0

    def add(self, steps: Sequence[Tensor]) -> None:
        """Take in one tensor's steps (one or two)."""
        wide = [step.to(torch.float64).flatten() for step in steps]
        self.first += float(wide[0] @ wide[0])
        if len(wide) > 1:
            self.second += float(wide[1] @ wide[1])
            self.cross += float(wide[0] @ wide[1])

    def spans(self, axes: int) -> bool:
        """Whether the first ``axes`` directions (1 or 2) are independent, up to rounding."""
        if axes == 1 or not self.first:
            return self.first > 0
        return self.lengths[1] ** 2 > _SAME * self.second

    @property
    def shadow(self) -> float:
        """How much of the first direction lies in the second: what Gram-Schmidt takes away."""
        return self.cross / self.first

    @property
    def cosine(self) -> float:
        """Of the angle between the two, before one is made orthogonal to the other."""
        return self.cross / math.sqrt(self.first * self.second)

    @property
    def lengths(self) -> tuple[float, float]:
        """Euclidean length of a step along each axis, the second one orthogonalised."""
        orthogonal = max(self.second - self.shadow * self.cross, 0.0)
        return math.sqrt(self.first), math.sqrt(orthogonal)

    def factors(self, steps: Sequence[float]) -> tuple[float, ...]:
        """Coordinates in the orthogonal frame, as factors of the directions themselves."""
        if len(steps) == 1:
            return (steps[0],)
        return steps[0] - steps[1] * self.shadow, steps[1]
