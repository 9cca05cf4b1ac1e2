"""LoX, the low-rank extrapolation of arXiv 2506.15606, on single tensors.

    W_LoX = W_aligned + alpha * Proj_k(W_aligned - W_base)        (eq. 3)

Proj_k keeps the top-k part of the singular value decomposition. Everything here is pure: tensors
in, tensors out; ``transform.py`` applies it to files.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lox_bench.errors import NonFiniteError, ShapeError
from lox_bench.weights.lowrank import TruncatedSvd, truncated_svd
from lox_bench.weights.ranks import Rank, cut, most
from lox_bench.weights.select import MATRIX_DIMS

Rows = Callable[[slice], Tensor]  # some rows of a matrix that need not exist as a whole

_CHUNK = 1 << 19  # entries computed at once: what is made of them stays in the cache
_FIRST_LOOK = 16  # singular values that a rule sees first; doubled until it can tell


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is known of one hardened weight; of a stack, the largest k and the worst residual.

    ``residual`` is explained in ``lowrank.py`` (0 at full rank, which needs no decomposition).
    ``energy`` is the share of the difference's squared norm that lies in the step, ``unchanged``
    the share of entries that rounding to the result's type left as they are in the aligned model.
    """

    k: int
    method: str
    residual: float
    energy: float
    unchanged: float


@dataclass(frozen=True, slots=True)
class Step:
    """Proj_k of a difference: factors for each matrix of a stack, or none if all of it is kept.

    ``whole`` gives rows of the difference itself, ``total`` is its squared Frobenius norm.
    """

    whole: Sequence[Rows]
    tops: Sequence[TruncatedSvd] | None
    total: float
    width: int
    dtype: torch.dtype

    def rows(self, index: int) -> Rows:
        """Rows of the step of one matrix."""
        if self.tops is None:
            return self.whole[index]
        top = self.tops[index]
        return rows_of_product((top.left * top.sigma).to(self.dtype), top.right.to(self.dtype))

    def certificate(self, unchanged: float) -> Certificate:
        """What is known of the step."""
        if self.tops is None:
            return Certificate(self.width, "whole", 0.0, 1.0, unchanged)
        held = sum(float(top.sigma.double().square().sum()) for top in self.tops)
        return Certificate(
            k=max(len(top.sigma) for top in self.tops),
            method="+".join(sorted({top.method for top in self.tops})),
            residual=max(top.residual for top in self.tops),
            energy=min(held / self.total, 1.0) if self.total > 0.0 else 1.0,
            unchanged=unchanged,
        )


def low_rank(delta: Tensor, rank: Rank) -> Tensor:
    """Project a matrix onto its top singular directions (best rank-k approximation).

    Args:
        delta: ``(out, in)`` or a stack ``(..., out, in)``, each matrix on its own; float32 or
            float64, finite.
        rank: directions kept, at least 1, or a rule; ``None`` or anything >= min(out, in) keeps
            all.

    Returns:
        The projection, shaped like ``delta``.

    Raises:
        ShapeError: the rank is below 1.
    """
    step = project(delta, rank)
    if step.tops is None:
        return delta
    everything = slice(None)
    parts = [step.rows(index)(everything) for index in range(len(step.tops))]
    return torch.stack(parts).view(delta.shape)


def project(delta: Tensor, rank: Rank) -> Step:
    """As ``low_rank``, but the projection comes as factors with their certificates."""
    stack = matrices(delta)
    return Step(
        whole=[matrix.__getitem__ for matrix in stack],
        tops=None if keeps_all(rank, delta) else [_top(matrix, rank) for matrix in stack],
        total=float(torch.linalg.vector_norm(delta)) ** 2,
        width=min(delta.shape[-2:]),
        dtype=delta.dtype,
    )


def extrapolate(
    base: Tensor,
    aligned: Tensor,
    *,
    rank: Rank,
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
        rank: singular directions kept, at least 1, or a rule; ``None`` keeps all of them.
        alpha: dimensionless; 0 returns ``aligned`` unchanged.
        dtype: of the result; ``None`` keeps that of ``aligned``.

    Raises:
        ShapeError: the shapes differ, the weight is no matrix, or the rank is below 1.
        NonFiniteError: a weight holds NaN or infinity, or leaves the range of ``dtype``.
    """
    if aligned.ndim < MATRIX_DIMS:
        raise ShapeError(f"LoX needs a matrix, not a tensor of shape {tuple(aligned.shape)}")
    delta = difference(base, aligned)
    target = aligned.dtype if dtype is None else dtype
    if alpha == 0.0:
        return cast(aligned, target)
    return move(aligned, project(delta, rank), alpha, target)[0]


def move(
    start: Tensor, step: Step, alpha: float, dtype: torch.dtype, *, from_base: bool = False
) -> tuple[Tensor, Certificate]:
    """``start + alpha * step``, computed in the step's precision, rounded once to ``dtype``.

    ``from_base`` says that ``start`` lacks the difference, which is then added as well.

    Raises:
        NonFiniteError: the result leaves the range of ``dtype``.
    """
    made = torch.empty(start.shape, dtype=dtype, device=start.device)
    same, as_it_is = 0, start.dtype == dtype and not from_base
    for index, (before, after) in enumerate(zip(matrices(start), matrices(made), strict=True)):
        rows, height = step.rows(index), max(1, _CHUNK // before.shape[1])
        for first in range(0, len(before), height):
            part = slice(first, first + height)
            wide = before[part].to(step.dtype)
            wide = wide + step.whole[index](part) if from_base else wide
            after[part] = (rows(part) * alpha).add_(wide)
            old = before[part] if as_it_is else wide.to(dtype)
            same += int(torch.count_nonzero(after[part] == old))
    if not all_finite(made):
        raise NonFiniteError(f"the hardened weights leave the range of {dtype}; try bfloat16")
    return made, step.certificate(same / max(made.numel(), 1))


def difference(base: Tensor, aligned: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """``aligned - base`` in ``dtype``.

    Raises:
        ShapeError: the shapes differ.
        NonFiniteError: a weight holds NaN or infinity.
    """
    if base.shape != aligned.shape:
        raise ShapeError(f"base is {tuple(base.shape)} but aligned is {tuple(aligned.shape)}")
    delta = base.to(dtype, copy=True, memory_format=torch.contiguous_format)
    flat, other = delta.view(-1), aligned.reshape(-1)
    for before, after in zip(torch.split(flat, _CHUNK), torch.split(other, _CHUNK), strict=True):
        torch.sub(after.to(dtype), before, out=before)
    if not all_finite(delta):
        raise NonFiniteError("the weights hold NaN or infinity")
    return delta


def all_finite(weight: Tensor) -> bool:
    """Whether no entry is NaN or infinite (one pass and no temporary)."""
    if weight.dtype.itemsize == 1:
        weight = weight.float()  # torch cannot compare float8
    return not weight.numel() or all(torch.isfinite(end) for end in torch.aminmax(weight))


def cast(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """A copy in ``dtype``.

    Raises:
        NonFiniteError: the weight holds NaN or infinity, or leaves the range of ``dtype``.
    """
    if weight.is_floating_point() and not all_finite(weight):
        raise NonFiniteError("the weights hold NaN or infinity")
    made = weight.to(dtype, copy=True)
    if made.dtype != weight.dtype and not all_finite(made):
        raise NonFiniteError(f"the weights leave the range of {dtype}; try bfloat16")
    return made


def keeps_all(rank: Rank, weight: Tensor) -> bool:
    """Whether ``rank`` cuts nothing off ``(..., out, in)``, so that nothing needs decomposing.

    Raises:
        ShapeError: the rank is below 1.
    """
    if isinstance(rank, int) and rank < 1:
        raise ShapeError(f"rank k must be at least 1 (or None for full rank), not {rank}")
    return rank is None or (isinstance(rank, int) and rank >= min(weight.shape[-2:]))


def rows_of_product(left: Tensor, right: Tensor) -> Rows:
    """Rows of ``left @ right``, which is never formed as a whole."""
    return lambda rows: left[rows] @ right


def matrices(weight: Tensor) -> Tensor:
    """A weight ``(..., out, in)`` as a stack of three dimensions: its experts, if it has any."""
    return weight.reshape(-1, *weight.shape[-2:])


def _top(delta: Tensor, rank: Rank) -> TruncatedSvd:
    if rank is None or isinstance(rank, int):
        return truncated_svd(delta, rank or min(delta.shape))
    total = float(torch.linalg.vector_norm(delta)) ** 2
    limit = min(most(rank), *delta.shape)
    seen = min(_FIRST_LOOK, limit)
    while True:
        top = truncated_svd(delta, seen)
        k = cut(rank, top.sigma.tolist(), total, limit=limit)
        if k is not None:
            return top.head(k)
        seen = min(2 * seen, limit)
