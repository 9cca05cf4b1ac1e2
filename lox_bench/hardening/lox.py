"""LoX, the low-rank extrapolation of arXiv 2506.15606, on single tensors.

    W_LoX = W_aligned + alpha * Proj_k(W_aligned - W_base)        (eq. 3)

Proj_k keeps the top-k part of the singular value decomposition. Everything here is pure: tensors
in, tensors out; ``checkpoint.py`` applies it to files.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lox_bench.errors import NonFiniteError, ShapeError
from lox_bench.hardening.lowrank import truncated_svd

MATRIX_DIMS = 2  # fewer (norms, biases) are never extrapolated
COPIED = "copied"  # alpha is 0: nothing was decomposed
WHOLE = "whole"  # full rank: nothing needs decomposing


@dataclass(frozen=True, slots=True)
class Projection:
    """The top-k part of a matrix or of each matrix of a stack, with its certificate.

    ``residual`` is the worst of the matrices' (see ``lowrank.py``); 0 where all is kept.
    """

    value: Tensor
    residual: float
    method: str


def project(delta: Tensor, rank: int | None) -> Projection:
    """Project a matrix onto its top singular directions (best rank-k approximation).

    Args:
        delta: ``(out, in)`` or a stack ``(..., out, in)``, each matrix on its own; float32 or
            float64, finite.
        rank: directions kept, at least 1; ``None`` or anything >= min(out, in) keeps all.

    Raises:
        ShapeError: the rank is below 1.
    """
    if rank is not None and rank < 1:
        raise ShapeError(f"rank k must be at least 1 (or None for full rank), not {rank}")
    if rank is None or rank >= min(delta.shape[-2:]):
        return Projection(delta, 0.0, WHOLE)
    value = torch.empty_like(delta, memory_format=torch.contiguous_format)
    residual, methods = 0.0, set()
    matrices = delta.reshape(-1, *delta.shape[-2:])
    for matrix, kept in zip(matrices, value.view(matrices.shape), strict=True):
        top = truncated_svd(matrix, rank)
        torch.matmul(top.left * top.sigma, top.right, out=kept)
        residual = max(residual, top.residual)
        methods.add(top.method)
    return Projection(value, residual, "+".join(sorted(methods)))


def low_rank(delta: Tensor, rank: int | None) -> Tensor:
    """The value of ``project``, shaped like ``delta``."""
    return project(delta, rank).value


def extrapolate(
    base: Tensor,
    aligned: Tensor,
    *,
    rank: int | None,
    alpha: float,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Push one aligned weight further along its own alignment direction (LoX, eq. 3).

    Returns ``aligned + alpha * low_rank(aligned - base, rank)``, computed in float32 and rounded
    once, to ``dtype``.

    Args:
        base: ``(out, in)``, before alignment. More leading dimensions (experts) are taken
            matrix by matrix.
        aligned: shaped like ``base``, after alignment.
        rank: singular directions kept, at least 1; ``None`` keeps all of them.
        alpha: dimensionless; 0 returns ``aligned`` unchanged.
        dtype: of the result; ``None`` keeps that of ``aligned``.

    Raises:
        ShapeError: the shapes differ, the weight is no matrix, or the rank is below 1.
        NonFiniteError: a weight holds NaN or infinity.
    """
    return extrapolate_certified(base, aligned, rank=rank, alpha=alpha, dtype=dtype).value


def extrapolate_certified(
    base: Tensor,
    aligned: Tensor,
    *,
    rank: int | None,
    alpha: float,
    dtype: torch.dtype | None = None,
) -> Projection:
    """As ``extrapolate``, with the certificate of the projection beside the new weight."""
    if base.shape != aligned.shape:
        raise ShapeError(f"base is {tuple(base.shape)} but aligned is {tuple(aligned.shape)}")
    if aligned.ndim < MATRIX_DIMS:
        raise ShapeError(f"LoX needs a matrix, not a tensor of shape {tuple(aligned.shape)}")
    target = aligned.dtype if dtype is None else dtype
    if alpha == 0.0:
        return Projection(aligned.to(target, copy=True), 0.0, COPIED)
    wide = aligned.to(torch.float32)
    delta = wide - base.to(torch.float32)
    if not torch.isfinite(delta).all():
        raise NonFiniteError("the weights hold NaN or infinity")
    step = project(delta, rank)
    return Projection((wide + alpha * step.value).to(target), step.residual, step.method)
