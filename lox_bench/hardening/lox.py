"""LoX, the low-rank extrapolation of arXiv 2506.15606, on single tensors.

    W_LoX = W_aligned + alpha * Proj_k(W_aligned - W_base)        (eq. 3)

Proj_k keeps the top-k part of the singular value decomposition. Everything here is pure: tensors
in, tensors out; ``checkpoint.py`` applies it to files.
"""

import torch
from torch import Tensor

from lox_bench.errors import NonFiniteError, ShapeError

MATRIX_DIMS = 2  # fewer (norms, biases) are never extrapolated


def low_rank(delta: Tensor, rank: int | None) -> Tensor:
    """Project a matrix onto its top singular directions (best rank-k approximation).

    Args:
        delta: ``(out, in)`` or a stack ``(..., out, in)``, each matrix on its own; float32.
        rank: directions kept, at least 1; ``None`` or anything >= min(out, in) keeps all.

    Returns:
        The projection, shaped like ``delta``.
    """
    if rank is not None and rank < 1:
        raise ShapeError(f"rank k must be at least 1 (or None for full rank), not {rank}")
    if rank is None or rank >= min(delta.shape[-2:]):
        return delta
    left, sigma, right = torch.linalg.svd(delta, full_matrices=False)
    projected: Tensor = (left[..., :rank] * sigma[..., None, :rank]) @ right[..., :rank, :]
    return projected


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
    if base.shape != aligned.shape:
        raise ShapeError(f"base is {tuple(base.shape)} but aligned is {tuple(aligned.shape)}")
    if aligned.ndim < MATRIX_DIMS:
        raise ShapeError(f"LoX needs a matrix, not a tensor of shape {tuple(aligned.shape)}")
    target = aligned.dtype if dtype is None else dtype
    if alpha == 0.0:
        return aligned.to(target, copy=True)
    wide = aligned.to(torch.float32)
    delta = wide - base.to(torch.float32)
    if not torch.isfinite(delta).all():
        raise NonFiniteError("the weights hold NaN or infinity")
    return (wide + alpha * low_rank(delta, rank)).to(target)
