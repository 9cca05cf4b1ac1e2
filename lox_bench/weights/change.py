"""What alignment did to one tensor, however it is stored, and how LoX carries it on.

A change is given by both weights (``Dense``), or by the base weight and the thin factors of a LoRA
adapter (``Factored``), which are used as they are: their product is never formed as a whole.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from lox_bench.errors import NonFiniteError, ShapeError
from lox_bench.weights.lowrank import TruncatedSvd, factored_svd, truncated_svd
from lox_bench.weights.lox import (
    Certificate,
    Step,
    all_finite,
    cast,
    difference,
    move,
    project,
    rows_of_product,
)
from lox_bench.weights.ranks import Energy, Gap, Rank, cut

COPIED = "copied"


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Where and how a change is computed: ``precision`` is float32 or float64."""

    device: torch.device
    precision: torch.dtype


class Change(Protocol):
    """The base and the aligned value of one weight."""

    def harden(
        self, rank: Rank, alpha: float, dtype: torch.dtype, arithmetic: Arithmetic
    ) -> tuple[Tensor, Certificate]:
        """The extrapolated weight in ``dtype``, on the CPU, with its certificate."""

    def factors(self, rank: Rank, alpha: float, arithmetic: Arithmetic) -> "Factors":
        """What an adapter adds to its base model instead (see ``delta.py``)."""


@dataclass(frozen=True, slots=True)
class Factors:
    """``left @ right`` is added to a weight: ``(out, r)`` and ``(r, in)``, on the CPU."""

    left: Tensor
    right: Tensor
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class Dense:
    """Both weights, ``(..., out, in)``."""

    base: Tensor
    aligned: Tensor

    def harden(
        self, rank: Rank, alpha: float, dtype: torch.dtype, arithmetic: Arithmetic
    ) -> tuple[Tensor, Certificate]:
        """See ``Change``."""
        base, aligned = (part.to(arithmetic.device) for part in (self.base, self.aligned))
        delta = difference(base, aligned, arithmetic.precision)
        if alpha == 0.0:
            return cast(self.aligned, dtype), Certificate(0, COPIED, 0.0, 0.0, 1.0)
        made, certificate = move(aligned, project(delta, rank), alpha, dtype)
        return made.cpu(), certificate

    def factors(self, rank: Rank, alpha: float, arithmetic: Arithmetic) -> Factors:
        """``alpha * Proj_k``, to be added to the *aligned* weight."""
        base, aligned = (part.to(arithmetic.device) for part in (self.base, self.aligned))
        delta = difference(base, aligned, arithmetic.precision)
        if delta.ndim != 2:  # noqa: PLR2004 - rows and columns
            raise ShapeError(f"an adapter holds matrices, not {tuple(delta.shape)}")
        step = project(delta, rank)
        top = step.tops[0] if step.tops else truncated_svd(delta, min(delta.shape))
        return _split(top, top.sigma * alpha, step.certificate(0.0))


@dataclass(frozen=True, slots=True)
class Factored:
    """A base weight ``(out, in)`` and the factors of its change, ``(out, r)`` and ``(r, in)``."""

    base: Tensor
    left: Tensor
    right: Tensor

    def __post_init__(self) -> None:
        """Refuse factors that do not fit.

        Raises:
            ShapeError: their product is not shaped like the base weight.
        """
        shape = (self.left.shape[0], self.right.shape[1])
        if self.left.shape[1] != self.right.shape[0] or shape != tuple(self.base.shape):
            raise ShapeError(
                f"the adapter's factors {tuple(self.left.shape)} and {tuple(self.right.shape)} "
                f"do not fit the base weight {tuple(self.base.shape)}"
            )

    def harden(
        self, rank: Rank, alpha: float, dtype: torch.dtype, arithmetic: Arithmetic
    ) -> tuple[Tensor, Certificate]:
        """See ``Change``; the aligned weight is ``base + left @ right``, unrounded."""
        left, right, base = self._on(arithmetic)
        made, certificate = move(base, _step(left, right, rank), alpha, dtype, from_base=True)
        return made.cpu(), certificate

    def factors(self, rank: Rank, alpha: float, arithmetic: Arithmetic) -> Factors:
        """The adapter's change and its extrapolation, to be added to the *base* weight."""
        left, right, _ = self._on(arithmetic)
        everything = factored_svd(left, right, left.shape[1])
        step = _step(left, right, rank)
        kept = everything.sigma.clone()
        kept[: step.certificate(0.0).k] *= 1.0 + alpha
        return _split(everything, kept, step.certificate(0.0))

    def _on(self, arithmetic: Arithmetic) -> tuple[Tensor, Tensor, Tensor]:
        parts = [
            part.to(arithmetic.device, arithmetic.precision) for part in (self.left, self.right)
        ]
        base = self.base.to(arithmetic.device)
        if not all(all_finite(part) for part in (*parts, base)):
            raise NonFiniteError("the weights or the adapter's factors hold NaN or infinity")
        return parts[0], parts[1], base


def _step(left: Tensor, right: Tensor, rank: Rank) -> Step:
    """Proj_k of a product of thin factors."""
    everything = factored_svd(left, right, left.shape[1])
    total = float(everything.sigma.square().sum())
    return Step(
        whole=[rows_of_product(left, right)],
        tops=None if rank is None else [everything.head(_kept(rank, everything, total))],
        total=total,
        width=len(everything.sigma),
        dtype=left.dtype,
    )


def _kept(rank: int | Energy | Gap, everything: TruncatedSvd, total: float) -> int:
    if isinstance(rank, int):
        return rank
    sigma = everything.sigma.tolist()
    return cut(rank, sigma, total, limit=len(sigma)) or len(sigma)


def _split(top: TruncatedSvd, sigma: Tensor, certificate: Certificate) -> Factors:
    """Share the singular values out between both factors, so that neither is extreme."""
    root = sigma.abs().sqrt()
    left, right = top.left * (root * sigma.sign()), root[:, None] * top.right
    return Factors(left.float().cpu(), right.float().cpu(), certificate)
