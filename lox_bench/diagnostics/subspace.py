"""How much of a change lies in the alignment's top directions. Pure: tensors in and out.

R_align and R_ft are those of arXiv 2506.15606 (eqs. 1 and 2), Frobenius norms throughout.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


def concentration(basis: Tensor, change: Tensor) -> float:
    """``||P change|| / ||change||`` with ``P = basis basis^T``: R_align, R_ft.

    Args:
        basis: ``(out, k)``, orthonormal columns: the top left directions of the alignment.
        change: ``(out, in)``.

    Returns:
        Between 0 and 1; NaN for a change of nothing.
    """
    wide = change.to(torch.float64)
    norm = float(torch.linalg.vector_norm(wide))
    kept = float(torch.linalg.vector_norm(basis.to(torch.float64).mT @ wide))
    return kept / norm if norm else math.nan


def cosine(first: Tensor, second: Tensor) -> float:
    """Of the angle between two changes of equal shape, as vectors; NaN if one is nothing."""
    one, other = first.double().flatten(), second.double().flatten()
    norms = float(one.norm() * other.norm())
    return float(one @ other) / norms if norms else math.nan


@dataclass(frozen=True, slots=True)
class Overlap:
    """How two subspaces lie to each other.

    ``share`` is the mean squared cosine of the principal angles: 0 orthogonal, 1 equal, and
    ``chance`` for two drawn at random. The angles are in degrees.
    """

    share: float
    chance: float
    smallest_angle: float
    largest_angle: float


def overlap(first: Tensor, second: Tensor) -> Overlap:
    """Compare the column spaces of two orthonormal bases ``(n, k)`` of equal ``k``."""
    cosines = torch.linalg.svdvals(first.double().mT @ second.double()).clamp(0, 1)
    angles = torch.rad2deg(torch.acos(cosines))
    return Overlap(
        share=float((cosines**2).mean()),
        chance=first.shape[1] / first.shape[0],
        smallest_angle=float(angles.min()),
        largest_angle=float(angles.max()),
    )


def unchanged_share(
    aligned: Tensor, step: Tensor, *, alpha: float, dtype: torch.dtype = torch.bfloat16
) -> float:
    """Share of entries that rounding to ``dtype`` leaves as in the aligned model.

    Args:
        aligned: ``(out, in)``, the aligned weight.
        step: ``(out, in)``, the projected difference; the weight becomes aligned + alpha * step.
        alpha: as in LoX.
        dtype: what the result would be stored in.
    """
    wide = aligned.to(torch.float32)
    moved = (wide + alpha * step.to(torch.float32)).to(dtype)
    return float((moved == wide.to(dtype)).double().mean())
