"""The singular spectrum of a weight difference, and what its shape says. Pure: tensors in and out.

The whole spectrum comes from the eigenvalues of the smaller Gram matrix in float64: for float32
weights that is as exact as a float32 SVD down to about 1e-8 of the largest singular value, and
several times faster on the tall matrices of a transformer. Where even that is too dear, only the
top comes, from a truncated SVD; measures that need the tail are then absent, not guessed.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lox_bench.diagnostics.measures import FULL, TOP
from lox_bench.errors import NonFiniteError
from lox_bench.weights.lowrank import truncated_svd


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Singular values in descending order and the leading left and right directions.

    ``left`` is ``(out, k)`` and ``right`` is ``(in, k)``, orthonormal columns; ``sigma`` is
    ``(n,)`` with ``n = min(out, in)`` if ``method`` is ``full`` and fewer if it is ``top``;
    ``norm`` is the exact Frobenius norm of the matrix either way.
    """

    sigma: Tensor
    left: Tensor
    right: Tensor
    norm: float
    method: str


def spectrum(delta: Tensor, k: int, *, whole: bool, top: int = 64) -> Spectrum:
    """Decompose a matrix.

    Args:
        delta: ``(out, in)``.
        k: leading directions wanted; cut to what there is.
        whole: take all singular values; else the first ``max(k, top)``.
        top: see ``whole``.

    Raises:
        NonFiniteError: the matrix holds NaN or infinity.
    """
    norm = float(torch.linalg.vector_norm(delta.to(torch.float64)))
    if not torch.isfinite(torch.tensor(norm)):
        raise NonFiniteError("the weights hold NaN or infinity")
    wanted = min(k, *delta.shape)
    if not whole and max(k, top) < min(delta.shape):
        found = truncated_svd(delta.to(torch.float32), max(k, top))
        left, right = found.left[:, :wanted].double(), found.right[:wanted].mT.double()
        return Spectrum(found.sigma.double(), left, right, norm, TOP)
    wide = delta.to(torch.float64)
    flat = wide if delta.shape[0] <= delta.shape[1] else wide.mT
    values, vectors = torch.linalg.eigh(flat @ flat.mT)
    sigma = values.flip(0).clamp_min(0).sqrt()
    near = vectors.flip(1)[:, :wanted].contiguous()
    far = _partner(flat, near, sigma[:wanted])
    left, right = (near, far) if flat is wide else (far, near)
    return Spectrum(sigma, left, right, norm, FULL)


def _partner(flat: Tensor, near: Tensor, sigma: Tensor) -> Tensor:
    """The directions on the other side; arbitrary orthonormal ones where sigma vanishes.

    QR makes them exactly orthonormal without turning the leading ones, whose columns already are.
    """
    drawn = flat.mT @ near
    floor = sigma[:1].clamp_min(torch.finfo(torch.float64).tiny) * 1e-7
    empty = sigma < floor
    if bool(empty.any()):
        filler = torch.randn(
            drawn.shape, dtype=drawn.dtype, generator=torch.Generator().manual_seed(0)
        )
        drawn = torch.where(empty, filler, drawn)
    basis, upper = torch.linalg.qr(drawn)
    signed: Tensor = basis * torch.where(upper.diagonal() < 0, -1.0, 1.0)
    return signed


def energy(found: Spectrum, k: int) -> float:
    """Share of the squared Frobenius norm in the top ``k`` directions; 0 for a zero matrix."""
    return _ratio(float((found.sigma[:k] ** 2).sum()), found.norm**2)


def stable_rank(found: Spectrum) -> float:
    """``||A||_F^2 / ||A||_2^2`` (Rudelson and Vershynin 2007), at most the rank."""
    return _ratio(found.norm**2, float(found.sigma[0]) ** 2)


def participation_ratio(found: Spectrum) -> float | None:
    """``(sum s^2)^2 / sum s^4``: how many directions share the energy; needs the whole spectrum."""
    if found.method != FULL:
        return None
    squared = found.sigma**2
    return _ratio(float(squared.sum()) ** 2, float((squared**2).sum()))


def entropy_rank(found: Spectrum) -> float | None:
    """``exp(H(s / sum s))``, the effective rank of Roy and Vetterli 2007; whole spectrum only."""
    if found.method != FULL:
        return None
    total = float(found.sigma.sum())
    if total == 0:
        return 0.0
    share = found.sigma / total
    return float(torch.exp(torch.special.entr(share).sum()))


def rank_for(found: Spectrum, share: float) -> int | None:
    """Directions needed for ``share`` of the energy; ``None`` if they exceed what was computed."""
    reached = torch.cumsum(found.sigma**2, 0) >= share * found.norm**2 * (1 - 1e-9)
    return int(reached.nonzero()[0]) + 1 if bool(reached.any()) else None


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
