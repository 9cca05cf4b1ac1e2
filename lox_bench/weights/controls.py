"""Extrapolations that are not LoX, on single tensors: what LoX has to beat.

LoX moves an aligned weight by ``alpha * U_k S_k V_k^T``. Whether it is these directions that
matter, or any step of that size, is what the controls tell:

- ``expo``      every direction and every weight: aligned + alpha * (aligned - base), as ExPO
  (arXiv 2404.16792); LoX with full rank would leave vectors (norms, biases) where they are.
- ``random-k``  the singular values of the LoX step on random orthonormal directions.
- ``bottom-k``  the same singular values on the k *smallest* singular directions.

The last two keep the LoX step's whole spectrum, hence its Frobenius and its spectral norm; only
the directions differ. (Merely rescaling the bottom part would give a step of another spectrum,
and one made of rounding noise where the difference has less than full rank.)
"""

import hashlib
from typing import Final

import torch
from torch import Tensor

from lox_bench.errors import ShapeError
from lox_bench.weights.lowrank import truncated_svd
from lox_bench.weights.lox import difference, low_rank
from lox_bench.weights.select import MATRIX_DIMS

_SEED_BYTES: Final = 8


def expo(base: Tensor, aligned: Tensor, alpha: float) -> Tensor:
    """Extrapolate a tensor of any shape along all of its difference (ExPO)."""
    return _moved(aligned, alpha * difference(base, aligned))


def random_k(
    base: Tensor, aligned: Tensor, k: int | None, alpha: float, generator: torch.Generator
) -> Tensor:
    """Move a matrix ``(..., out, in)`` along k random directions, as far as LoX moves it.

    The directions are those of Gaussian matrices (uniform on the Stiefel manifold), drawn from
    ``generator``. ``k = None`` is full rank. Vectors come back as they are.
    """
    if aligned.ndim < MATRIX_DIMS:
        return aligned
    sigma = _top_sigma(difference(base, aligned), k)
    *stack, rows, columns = aligned.shape
    left, right = (
        torch.linalg.qr(torch.randn(*stack, size, sigma.shape[-1], generator=generator)).Q
        for size in (rows, columns)
    )
    return _moved(aligned, alpha * (left * sigma[..., None, :]) @ right.mT)


def bottom_k(base: Tensor, aligned: Tensor, k: int | None, alpha: float) -> Tensor:
    """Move a matrix ``(..., out, in)`` along its k smallest directions, as far as LoX moves it.

    Takes a full singular value decomposition: there is no short cut to the small end. Vectors
    come back as they are.
    """
    if aligned.ndim < MATRIX_DIMS:
        return aligned
    left, sigma, right = torch.linalg.svd(difference(base, aligned), full_matrices=False)
    kept = _kept(sigma.shape[-1], k)
    step = (left[..., -kept:] * sigma[..., None, :kept]) @ right[..., -kept:, :]
    return _moved(aligned, alpha * step)


def truncated(base: Tensor, aligned: Tensor, rank: int) -> Tensor:
    """The base plus the top ``rank`` directions of its difference, in the dtype of ``aligned``.

    A vector's difference has rank one, so it is kept whole: the aligned vector comes back.
    """
    if aligned.ndim < MATRIX_DIMS:
        return aligned
    step = low_rank(difference(base, aligned), rank)
    return (base.to(torch.float32) + step).to(aligned.dtype)


def generator_of(seed: int, name: str) -> torch.Generator:
    """A random stream of its own for each seed and tensor, in whatever order they come."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:_SEED_BYTES], "big") >> 1)


def _top_sigma(delta: Tensor, k: int | None) -> Tensor:
    """``(..., k)``: the singular values that LoX would extrapolate, matrix by matrix."""
    kept = _kept(min(delta.shape[-2:]), k)
    matrices = delta.reshape(-1, *delta.shape[-2:])
    sigma = torch.stack([truncated_svd(matrix, kept).sigma for matrix in matrices])
    return sigma.reshape(*delta.shape[:-2], kept)


def _kept(available: int, k: int | None) -> int:
    if k is not None and k < 1:
        raise ShapeError(f"rank k must be at least 1 (or None for full rank), not {k}")
    return available if k is None else min(k, available)


def _moved(aligned: Tensor, step: Tensor) -> Tensor:
    return (aligned.to(torch.float32) + step).to(aligned.dtype)
