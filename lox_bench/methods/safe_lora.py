"""Safe LoRA, for updates of any kind (the paper's are LoRA's ``B A``).

All in float64: whether a singular value counts is decided far above its rounding errors. No
``out x out`` projector is ever formed; a product with it is two products with thin factors.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from lox_bench.errors import UsageError
from lox_bench.methods.method import Between, Folders, NoneIs, Place
from lox_bench.ranges import Range
from lox_bench.types import Progress

if TYPE_CHECKING:
    from torch import Tensor

DIGITS: Final = 6
_EPS: Final = 2.0**-23  # of float32: what weights are known to, at best
_TAU = 0.5


@dataclass(frozen=True, slots=True)
class SafeLora:
    """Project updates that leave the alignment subspace back onto it (arXiv 2405.16833).

    For each weight matrix, with V = aligned - base and the update D = tuned - start: where the
    cosine similarity of C D and D (Frobenius) is at most ``tau``, D is replaced by C D. With
    ``layers=N`` the N matrices of smallest similarity are projected instead, in a second pass
    over the weights. ``aligned`` is the family's aligned model, also after LoX.

    ``form="paper"``: C = V (V^T V)^+ V^T, the orthogonal projector onto V's column space, of
    numerical rank (singular values above max(out, in) * 1.2e-7 of the largest). Take note: where
    V has full row rank, as a fully fine-tuned square or wide matrix practically always has, this
    C is the identity, every similarity is 1 and nothing is changed; the exact method then acts on
    tall matrices only. ``rank=R`` asks for V's top R left singular directions instead, an option
    of ours. ``form="reference"`` is what IBM/SafeLoRA computes: C = V V^T / ||V||_F, no projector;
    it weighs directions by their squared singular values, and its result scales with V.

    Which matrices: two dimensions exactly, embeddings and output head left out (the paper's are
    linear layers inside the blocks; IBM's code goes by substrings and so meets biases). Matrices
    are taken as stored, ``(out, in)``. IBM's ``number`` mode already changes what is below 0.3
    while it measures (IBM/SafeLoRA#2); here the first pass only measures.

    Without an update (D = 0) the similarity is 1 and nothing changes; where alignment left a
    matrix alone (V = 0) it is 0 and the projection is 0: back to the start's weights.
    """

    place: ClassVar[Place] = Place.AFTER
    search: ClassVar[Mapping[str, Between]] = {
        "tau": Between(0, 1),
    }

    tau: Annotated[float, Range(0, 1)] = _TAU
    layers: Annotated[int | None, Range(1, inf), NoneIs("none")] = None
    form: Literal["paper", "reference"] = "paper"
    rank: Annotated[int | None, Range(1, inf), NoneIs("full")] = None

    def __post_init__(self) -> None:
        """Refuse arguments that exclude one another.

        Raises:
            UsageError: they do.
        """
        if self.layers is not None and self.tau != _TAU:
            raise UsageError("safe-lora takes tau or layers, not both")
        if self.rank is not None and self.form == "reference":
            raise UsageError("safe-lora: rank belongs to form=paper; the reference has no rank")

    def checkpoint(self, models: Folders, out: Path, progress: Progress) -> Mapping[str, Any]:
        """Write the repaired model; facts tell each matrix's similarity and what was projected."""
        projection = Projection(self.form == "paper", self.rank)
        sources = (models.base, models.aligned, models.start, models.tuned)
        wanted = float(self.tau) if self.layers is None else self.layers
        return project_checkpoint(sources, out, projection, wanted, progress)


@dataclass(frozen=True, slots=True)
class Projected:
    """C D of one matrix, the cosine between it and D, and the rank of C (``None``: no projector).

    ``update`` is ``None`` where C is the identity on D.
    """

    update: "Tensor | None"
    similarity: float
    rank: int | None


@dataclass(frozen=True, slots=True)
class Projection:
    """Which C: the exact projector onto V's columns (or its top ``rank``), else V V^T / ||V||_F."""

    exact: bool
    rank: int | None = None

    def of(self, v: "Tensor", d: "Tensor") -> Projected:
        """Apply C to an update.

        Args:
            v: ``(out, in)``, float64, finite: the alignment.
            d: shaped like ``v``: the update.
        """
        import torch

        norm = torch.linalg.vector_norm(v)
        if not d.any():
            return Projected(None, 1.0, None)
        if norm == 0.0:
            return Projected(torch.zeros_like(d), 0.0, 0 if self.exact else None)
        if not self.exact:
            product = v @ (v.mT @ d) / norm
            return Projected(product, _cosine(product, d), None)
        basis = column_basis(v, self.rank)
        if basis is None:
            return Projected(None, 1.0, len(v))
        product = basis @ (basis.mT @ d)
        return Projected(product, _cosine(product, d), basis.shape[1])


def column_basis(v: "Tensor", rank: int | None = None) -> "Tensor | None":
    """An orthonormal basis ``(out, r)`` of the column space of ``v``; ``None`` if it is everything.

    Args:
        v: ``(out, in)``, float64, not zero.
        rank: only so many directions, those of the largest singular values; ``None`` takes all
            whose singular value exceeds max(out, in) * eps(float32) of the largest.
    """
    import torch

    from lox_bench.weights.lowrank import truncated_svd

    rows, columns = v.shape
    if rank is not None and rank < min(rows, columns):
        top = truncated_svd(v, rank)
        clear = int((top.sigma > max(rows, columns) * _EPS * top.sigma[0]).sum())
        return top.head(clear).left
    outer, core = torch.linalg.qr(v) if rows > columns else (None, torch.linalg.qr(v.mT).R.mT)
    sigma = torch.linalg.svdvals(core)
    kept = int((sigma > max(rows, columns) * _EPS * sigma[0]).sum())
    if kept == len(sigma):
        return outer  # of a tall matrix; a wide one reaches every row
    left: Tensor = torch.linalg.svd(core).U[:, :kept]
    return left if outer is None else outer @ left


def is_linear(name: str, shape: Sequence[int]) -> bool:
    """Whether a tensor is the matrix of a linear layer: two dimensions, no embedding, no head."""
    from lox_bench.weights.pairs import EMBEDDINGS, HEADS
    from lox_bench.weights.select import MATRIX_DIMS

    return len(shape) == MATRIX_DIMS and not name.endswith((*EMBEDDINGS, *HEADS))


def project_checkpoint(
    sources: Sequence[Path],
    out: Path,
    projection: Projection,
    wanted: float,
    progress: Progress,
) -> Mapping[str, Any]:
    """Write the last source into the empty folder ``out``, some of its updates projected.

    Args:
        sources: base, aligned, start and tuned checkpoint.
        out: an empty folder.
        projection: which C.
        wanted: a ``float`` is the largest similarity that is projected; an ``int`` is how many
            matrices are, those of smallest similarity, which takes a pass of its own.
        progress: of each pass.

    Returns:
        For a manifest: ``projected``, ``identity`` (matrices on which C changes nothing) and,
        under ``tensors``, similarity and rank of each matrix.

    Raises:
        MismatchError: the checkpoints do not fit together.
        LoxBenchError: a tensor cannot be projected (NaN); the message names it.
    """
    from lox_bench.weights.combine import combine_checkpoints
    from lox_bench.weights.lox import cast

    chosen: Collection[str] | None = None
    if isinstance(wanted, int):
        chosen = _most_unlike(sources, projection, wanted, progress)
    facts: dict[str, dict[str, Any]] = {}

    def rule(name: str, held: "Sequence[Tensor]") -> "Tensor":
        if not is_linear(name, held[-1].shape):
            return held[-1]
        found = project(projection, held)
        hit = found.similarity <= wanted if chosen is None else name in chosen
        facts[name] = {
            "similarity": round(found.similarity, DIGITS),
            "rank": found.rank,
            "identity": found.update is None,
            "projected": hit,
        }
        if not hit or found.update is None:
            return held[-1]
        return cast(held[2].double() + found.update, held[-1].dtype)

    combine_checkpoints(sources, out, rule, progress)
    return {
        "projected": sum(bool(held["projected"]) for held in facts.values()),
        "identity": sum(bool(held["identity"]) for held in facts.values()),
        "tensors": facts,
    }


def _most_unlike(
    sources: Sequence[Path], projection: Projection, count: int, progress: Progress
) -> Collection[str]:
    """Names of the ``count`` matrices of smallest similarity; of equals, the first in the files."""
    from lox_bench.weights.combine import open_together
    from lox_bench.weights.stream import read_ahead
    from lox_bench.weights.transform import naming

    similar: dict[str, float] = {}
    with ExitStack() as stack:
        layout, load = open_together(sources, stack)
        names = [
            name
            for name, stored in layout.tensors.items()
            if stored.dtype.is_floating_point and is_linear(name, stored.shape)
        ]
        for done, (name, held) in enumerate(read_ahead(load, names), start=1):
            with naming(name):
                similar[name] = project(projection, held).similarity
            progress.step(done, len(names), "similarities")
    return sorted(similar, key=similar.__getitem__)[:count]


def project(projection: Projection, held: "Sequence[Tensor]") -> Projected:
    """The projection of one matrix's update; ``held`` are base, aligned, start and tuned."""
    import torch

    from lox_bench.weights.lox import difference

    base, aligned, start, tuned = held
    if start is tuned:
        return Projected(None, 1.0, None)
    alignment = difference(base, aligned, torch.float64)
    return projection.of(alignment, difference(start, tuned, torch.float64))


def _cosine(product: "Tensor", d: "Tensor") -> float:
    import torch

    size = torch.linalg.vector_norm(product) * torch.linalg.vector_norm(d)
    return min(float((product * d).sum() / size), 1.0) if size > 0.0 else 0.0
