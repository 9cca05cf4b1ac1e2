"""The top of a singular value decomposition, with a certificate of how exact it is.

Block Golub-Kahan bidiagonalisation (Golub, Luk and Overton, ACM TOMS 7, 1981) with full
reorthogonalisation: a block Krylov space of the matrix is grown on both sides by plain matrix
products, so that a step costs two readings of the matrix, on a CPU or a GPU, and the matrix is
never transposed in memory.

What the certificate guarantees. With A ~ U diag(s) V^T the residual bounds, for every kept i,
``|A v_i - s_i u_i|`` and ``|A^T u_i - s_i v_i|``, relative to s_1; it is computed from the finished
factors, not taken from the recurrence. So (1) every s_i is within residual * s_1 of a singular
value of A; (2) the factors are exact for a matrix that differs from A by at most
sqrt(2 k) * residual * s_1 in Frobenius norm; (3) by Wedin's theorem the step U diag(s) V^T is
within about residual * s_1 / (s_k - s_{k+1}) of the exact one, relative to it. Where s_k and
s_{k+1} nearly coincide, (3) says little, and rightly: the projection itself is then ill-defined
(with s_k = s_{k+1} any mixture of the two is a best rank-k approximation), and what holds is (2).
A residual cannot prove that no larger triplet was missed. The random start makes that a matter of
probability zero, and the block is wider than k, so that repeated values are found as well.
"""

from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from lox_bench.errors import ShapeError

FULL: Final = "full"
KRYLOV: Final = "krylov"
FACTORS: Final = "factors"

_LANES = 16  # matrix products run fastest at multiples of the vector width
_OVERSAMPLE = 6  # columns beyond k at least: they speed convergence up and catch repeated values
_BUDGET = 640  # columns of the Krylov space before the full decomposition takes over
_SMALL = 8  # blocks; below that many in the shorter side the full decomposition is as fast
_TOLERANCE: Final = {torch.float32: 1e-7, torch.float64: 1e-12}
_ROUNDING = 32  # machine epsilons of residual that the arithmetic itself may leave
_PATIENCE = 8  # the small decomposition is looked at again after its size grew by an eighth
_DEFICIENT = 1e-3  # a new direction this much shorter than the longest may be mostly noise


@dataclass(frozen=True, slots=True)
class TruncatedSvd:
    """The ``k`` leading singular triplets of an ``(out, in)`` matrix.

    ``left`` is ``(out, k)`` and ``right`` ``(k, in)``, orthonormal; ``sigma`` ``(k,)`` descends.
    ``residual`` is the certificate (see the module), relative to the largest singular value, and
    ``method`` says how they were found: ``krylov``, ``full``, or from the ``factors`` of a product.
    """

    left: Tensor
    sigma: Tensor
    right: Tensor
    residual: float
    method: str

    @property
    def step(self) -> Tensor:
        """The best approximation of that rank, ``(out, in)``."""
        product: Tensor = (self.left * self.sigma) @ self.right
        return product

    def head(self, k: int) -> "TruncatedSvd":
        """The first ``k`` triplets; the certificate holds for them as well."""
        return replace(self, left=self.left[:, :k], sigma=self.sigma[:k], right=self.right[:k])


def truncated_svd(
    delta: Tensor, rank: int, *, tolerance: float | None = None, seed: int = 0
) -> TruncatedSvd:
    """Find the ``rank`` largest singular values of ``delta`` and their directions.

    Works where ``delta`` lies and in its precision: float32, or float64 for more digits. The same
    seed gives the same result.

    Args:
        delta: ``(out, in)``, float32 or float64, finite.
        rank: at least 1; no more than ``min(out, in)`` triplets come back.
        tolerance: residual to reach, relative to the largest singular value; ``None`` asks for
            1e-7 in float32 and 1e-12 in float64. What the arithmetic cannot reach is not waited
            for: the residual that was reached stands in the result.
        seed: of the random start.

    Raises:
        ShapeError: ``delta`` is no matrix of these types, or the rank is below 1.
    """
    if delta.ndim != 2 or delta.dtype not in _TOLERANCE:  # noqa: PLR2004 - rows and columns
        raise ShapeError(
            f"a float32 or float64 matrix was wanted, not {delta.dtype} of {tuple(delta.shape)}"
        )
    if rank < 1:
        raise ShapeError(f"rank k must be at least 1, not {rank}")
    rank = min(rank, *delta.shape)
    block = -(-(rank + _OVERSAMPLE) // _LANES) * _LANES
    small = min(delta.shape) < _SMALL * block
    if not small:
        wanted = _TOLERANCE[delta.dtype] if tolerance is None else tolerance
        found = _krylov(delta, rank, block, wanted, seed)
        if found is not None:
            return found
    whole = delta.double() if small else delta  # more digits where they cost nothing
    left, sigma, right = (part.to(delta) for part in torch.linalg.svd(whole, full_matrices=False))
    return _certified(delta, left[:, :rank], sigma[:rank], right[:rank], FULL)


def factored_svd(left: Tensor, right: Tensor, rank: int) -> TruncatedSvd:
    """The top triplets of ``left @ right``, a product of thin factors that is never formed.

    Args:
        left: ``(out, r)``, as a LoRA adapter's B.
        right: ``(r, in)``, as its A.
        rank: at least 1; no more than ``min(r, out, in)`` triplets come back.
    """
    left, right = left.double(), right.double()
    rows, inner_left = torch.linalg.qr(left)
    columns, inner_right = torch.linalg.qr(right.mT)
    small_left, sigma, small_right = torch.linalg.svd(inner_left @ inner_right.mT)
    kept = min(rank, len(sigma))
    top_left = rows @ small_left[:, :kept]
    top_right = small_right[:kept] @ columns.mT
    sigma = sigma[:kept]
    return _with_residual(
        (top_left, sigma, top_right),
        left @ (right @ top_right.mT),
        right.mT @ (left.mT @ top_left),
        FACTORS,
    )


def _krylov(
    delta: Tensor, rank: int, block: int, tolerance: float, seed: int
) -> TruncatedSvd | None:
    """Grow the Krylov space until the triplets are exact enough; ``None``: budget spent."""
    space = _Space(delta, block, seed)
    accepted = max(tolerance, _ROUNDING * torch.finfo(delta.dtype).eps)
    looked = 0
    while space.grow():
        if space.size - looked < looked // _PATIENCE and not space.is_full:
            continue
        looked = space.size
        left, sigma, right, estimate = space.ritz(rank)
        if estimate <= tolerance or (space.is_full and estimate <= accepted):
            found = _certified(delta, left, sigma, right, KRYLOV)
            if found.residual <= accepted:
                return found
    return None


def _certified(
    delta: Tensor, left: Tensor, sigma: Tensor, right: Tensor, method: str
) -> TruncatedSvd:
    kept = len(sigma)
    spare = -kept % _LANES  # empty columns: products of a few odd columns are several times slower
    forward = delta @ functional.pad(right.mT, (0, spare))
    backward = delta.mT @ functional.pad(left, (0, spare))
    return _with_residual((left, sigma, right), forward[:, :kept], backward[:, :kept], method)


def _with_residual(
    triplets: tuple[Tensor, Tensor, Tensor], forward: Tensor, backward: Tensor, method: str
) -> TruncatedSvd:
    """Certify triplets; ``forward`` is A V and ``backward`` A^T U."""
    left, sigma, right = triplets
    scale = float(sigma[0])
    if scale == 0.0:
        return TruncatedSvd(left, sigma, right, 0.0, method)
    gaps = (forward - left * sigma, backward - right.mT * sigma)
    worst = max(float(gap.norm(dim=0).max()) for gap in gaps)
    return TruncatedSvd(left, sigma, right, worst / scale, method)


class _Space:
    """Orthonormal bases U and V with A V = U B, B small: what bidiagonalisation has found so far.

    B is block upper bidiagonal but for rounding; it is kept whole, in float64 on the CPU.
    """

    def __init__(self, delta: Tensor, block: int, seed: int) -> None:
        self._delta, self._block = delta, block
        rows, columns = delta.shape
        budget = max(_BUDGET, _SMALL * block)
        self._limit = min(budget, min(rows, columns) // 2) // block * block
        self.size = 0
        self._left = delta.new_empty(rows, self._limit)
        self._right = delta.new_empty(columns, self._limit + block)
        self._small = torch.zeros(self._limit, self._limit, dtype=torch.float64)
        self._beyond = torch.zeros(block, block, dtype=torch.float64)
        start = torch.randn(columns, block, generator=torch.Generator().manual_seed(seed))
        self._right[:, :block] = torch.linalg.qr(start.to(delta)).Q

    @property
    def is_full(self) -> bool:
        """Whether the budget of columns is spent."""
        return self.size >= self._limit

    def grow(self) -> bool:
        """Add a block to both sides; false when there is no room left."""
        if self.is_full:
            return False
        old, new = self.size, self.size + self._block
        there = self._delta @ self._right[:, old:new]
        self._left[:, old:new], inner, last = _orthonormal(there, self._left[:, :old])
        self._small[:old, old:new], self._small[old:new, old:new] = inner, last
        back = self._delta.mT @ self._left[:, old:new]
        beyond, _, self._beyond = _orthonormal(back, self._right[:, :new])
        self._right[:, new : new + self._block] = beyond
        self.size = new
        return True

    def ritz(self, rank: int) -> tuple[Tensor, Tensor, Tensor, float]:
        """The best triplets within the space, and how far from true ones they should be."""
        size = self.size
        left, sigma, right = torch.linalg.svd(self._small[:size, :size])
        beyond = self._beyond @ left[-self._block :, :rank]
        scale = float(sigma[0])
        estimate = float(beyond.norm(dim=0).max()) / scale if scale > 0.0 else 0.0
        to = self._delta
        return (
            self._left[:, :size] @ left[:, :rank].to(to),
            sigma[:rank].to(to),
            (self._right[:, :size] @ right[:rank].mT.to(to)).mT,
            estimate,
        )


def _orthonormal(block: Tensor, basis: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Split ``block`` into ``basis @ inner + new @ rest``, ``new`` orthonormal and new.

    Twice is enough, unless the block is rank-deficient: normalised noise needs cleaning once more.
    """
    inner = torch.zeros(basis.shape[1], block.shape[1], dtype=torch.float64)
    rest = torch.eye(block.shape[1], dtype=torch.float64)
    clean = 0
    while clean < 2:  # noqa: PLR2004 - Kahan and Parlett
        known = basis.mT @ block
        block, factor = torch.linalg.qr(block - basis @ known)
        inner += known.to(inner) @ rest
        rest = factor.to(rest) @ rest
        lengths = factor.diagonal().abs()
        clean += bool(lengths.min() > _DEFICIENT * lengths.max())
    return block, inner, rest
