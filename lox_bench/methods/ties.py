"""TIES merging of what alignment and what the attack did."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from lox_bench.methods.method import Between, Folders, Place
from lox_bench.ranges import Range
from lox_bench.types import Progress

if TYPE_CHECKING:
    from torch import Tensor

VECTORS: Final = ("alignment", "attack")


@dataclass(frozen=True, slots=True)
class Ties:
    """Merge alignment and attack by trimming and sign election (TIES, arXiv 2306.01708).

    Two task vectors, what safety work did and what the attack did: start - base and tuned - start,
    ``start`` being the model that was attacked (after ``lox`` the hardened one; without it,
    start - base is the family's alignment). Every floating-point tensor takes part, in three
    steps. Trim: of each vector the largest ``density`` of all entries by magnitude stay, the
    others become 0. Elect: of each entry, the sign of the sum of both. Merge: the mean of those
    entries that are not 0 and have that sign. The result is ``base + lambda *`` the merged vector.

    Differs from the paper: there all vectors start at one model. Here each starts where its own
    training did, so that their plain sum gives back the attacked model. ``trim="model"`` takes the
    largest over the whole model, as the paper and its code (prateeky2806/ties-merging) do;
    ``trim="tensor"`` takes them within each tensor, as mergekit does. That code keeps one entry
    more than ``density`` says; where the two entries cancel exactly it takes the sign that
    prevails in the whole model, here (as in the paper's formula) the entry is 0. Equal magnitudes
    at the border all stay.
    """

    place: ClassVar[Place] = Place.AFTER
    search: ClassVar[Mapping[str, Between]] = {
        "density": Between(0.05, 1, log=True),
        "lambda": Between(0.3, 1.5),
    }

    density: Annotated[float, Range(0, 1, above=True)] = 0.2
    lambda_: Annotated[float, Range(-100, 100)] = 1.0
    trim: Literal["model", "tensor"] = "model"

    def checkpoint(self, models: Folders, out: Path, progress: Progress) -> Mapping[str, Any]:
        """Write the merged model; facts tell the share of each vector that stayed."""
        sources = (models.base, models.start, models.tuned)
        limits = whole_limits(sources, self.density, progress) if self.trim == "model" else None
        return merge_checkpoints(sources, out, self, limits, progress)


def merge_checkpoints(
    sources: Sequence[Path],
    out: Path,
    method: Ties,
    limits: Sequence[float] | None,
    progress: Progress,
) -> Mapping[str, Any]:
    """Write the merged model into the empty folder ``out``.

    Args:
        sources: base, start and tuned checkpoint.
        out: an empty folder.
        method: ``density`` and ``lambda_``.
        limits: the smallest magnitude that stays, of each vector; ``None``: each tensor's own.
        progress: of the pass.

    Raises:
        MismatchError: the checkpoints do not fit together.
        LoxBenchError: a tensor holds NaN; the message names it.
    """
    from lox_bench.weights.combine import combine_checkpoints
    from lox_bench.weights.pieces import by_pieces

    kept, total = [0, 0], 0

    def rule(name: str, held: "Sequence[Tensor]") -> "Tensor":
        nonlocal total
        del name
        total += held[0].numel()
        least = limits or tensor_limits(held, method.density)

        def merge(base: "Tensor", start: "Tensor", tuned: "Tensor") -> "Tensor":
            vectors = task_vectors((base, start, tuned))
            for index, (vector, limit) in enumerate(zip(vectors, least, strict=True)):
                vector.masked_fill_(vector.abs() < limit, 0.0)
                kept[index] += int(vector.count_nonzero())
            return base + method.lambda_ * elected_mean(vectors)

        return by_pieces(held, merge)

    combine_checkpoints(sources, out, rule, progress)
    shares = {
        f"{name}_kept": part / max(total, 1) for name, part in zip(VECTORS, kept, strict=True)
    }
    if limits is None:
        return shares
    return shares | {f"{name}_limit": x for name, x in zip(VECTORS, limits, strict=True)}


def whole_limits(sources: Sequence[Path], density: float, progress: Progress) -> list[float]:
    """The magnitude from which entries of each task vector stay, over all tensors; two passes."""
    from lox_bench.weights.combine import open_together
    from lox_bench.weights.stream import read_ahead
    from lox_bench.weights.transform import naming

    with ExitStack() as stack:
        layout, load = open_together(sources, stack)
        names = [key for key, held in layout.tensors.items() if held.dtype.is_floating_point]

        def every_vector() -> "Iterator[list[Tensor]]":
            for done, (name, held) in enumerate(read_ahead(load, names), start=1):
                with naming(name):
                    yield from map(task_vectors, pieces_of(held))
                progress.step(done, len(names), "magnitudes")

        return limits_of(every_vector, density)


def tensor_limits(held: "Sequence[Tensor]", density: float) -> list[float]:
    """The same of one tensor, (base, start, tuned)."""
    return limits_of(lambda: map(task_vectors, pieces_of(held)), density)


def limits_of(vectors: "Callable[[], Iterable[list[Tensor]]]", density: float) -> list[float]:
    """The smallest of the largest ``density`` of all magnitudes, of each vector.

    ``vectors`` gives them piece by piece, as often as it is called; 0.0 if there are no entries.
    """
    from lox_bench.weights.largest import KthLargest

    searches = [KthLargest() for _ in VECTORS]
    for piece in vectors():
        for search, vector in zip(searches, piece, strict=True):
            search.first(vector)
    for search in searches:
        search.settle(density)
    for piece in vectors():
        for search, vector in zip(searches, piece, strict=True):
            search.second(vector)
    return [search.value for search in searches]


def pieces_of(held: "Sequence[Tensor]") -> "Iterator[tuple[Tensor, ...]]":
    """Some entries of (base, start, tuned) at a time."""
    from lox_bench.weights.pieces import pieces

    return pieces(held)


def task_vectors(held: "Sequence[Tensor]") -> "list[Tensor]":
    """``start - base`` and ``tuned - start``, float32, of (base, start, tuned).

    Raises:
        NonFiniteError: a weight holds NaN or infinity.
    """
    from lox_bench.weights.lox import difference

    base, start, tuned = held
    return [difference(base, start), difference(start, tuned)]


def elected_mean(trimmed: "Sequence[Tensor]") -> "Tensor":
    """The disjoint mean of trimmed vectors: of those entries that have the sign of their sum.

    Args:
        trimmed: of one shape, 0 where an entry was trimmed away.

    Returns:
        Shaped as one of them; 0 where the sum is 0.
    """
    import torch

    stacked = torch.stack(list(trimmed))
    agreed = (stacked.sign() == stacked.sum(dim=0).sign()) & (stacked != 0.0)
    mean: Tensor = torch.where(agreed, stacked, 0.0).sum(dim=0) / agreed.sum(dim=0).clamp_(min=1)
    return mean
