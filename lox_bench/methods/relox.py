"""LoX after the attack: the same vector at another place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from lox_bench.methods.method import Between, Folders, NoneIs, Place
from lox_bench.ranges import Range
from lox_bench.types import Progress

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Relox:
    """Add LoX's vector after the attack instead of before it: a control of ours.

    ``tuned + alpha * Proj_k(aligned - base)`` for every tensor of two or more dimensions, each
    matrix of a stack on its own; vectors stay as attacked. The vector is the one that ``lox`` with
    the same k and alpha adds before the attack (arXiv 2506.15606), found by the same certified
    decomposition; no paper proposes it. ``k = None`` keeps all directions.
    """

    place: ClassVar[Place] = Place.AFTER
    family_defaults: ClassVar[str] = "lox"
    search: ClassVar[Mapping[str, Between]] = {
        "k": Between(1, 64, log=True),
        "alpha": Between(0.1, 2, log=True),
    }

    k: Annotated[int | None, Range(1, inf), NoneIs("full")] = 6
    alpha: Annotated[float, Range(-100, 100)] = 1.25

    def checkpoint(self, models: Folders, out: Path, progress: Progress) -> Mapping[str, Any]:
        """Write the repaired model; its facts are the certificates of all tensors."""
        return step_from(models.tuned, (models.base, models.aligned), out, self, progress)


def step_from(
    tuned: Path, alignment: tuple[Path, Path], out: Path, method: Relox, progress: Progress
) -> Mapping[str, Any]:
    """Write ``tuned`` plus LoX's step of two other models into the empty folder ``out``.

    Returns:
        For a manifest: as hardening's, the certificate of every tensor among it.

    Raises:
        MismatchError: the checkpoints do not fit together.
        UsageError: no matrix has ``k`` directions.
        LoxBenchError: a tensor cannot be worked on; the message names it.
    """
    from lox_bench.errors import NonFiniteError
    from lox_bench.weights.checkpoint import open_checkpoint
    from lox_bench.weights.combine import combine_checkpoints
    from lox_bench.weights.lox import all_finite, difference, move, project
    from lox_bench.weights.report import facts
    from lox_bench.weights.select import Settings, choose, require_ranks
    from lox_bench.weights.transform import HardenedTensor

    shapes = {
        name: stored.shape
        for name, stored in open_checkpoint(tuned).tensors.items()
        if stored.dtype.is_floating_point
    }
    ranks = choose(Settings(method.k, method.alpha), shapes)
    require_ranks(ranks, shapes)
    moved: list[HardenedTensor] = []

    def rule(name: str, held: "Sequence[Tensor]") -> "Tensor":
        base, aligned, attacked = held
        if not all_finite(attacked):
            raise NonFiniteError("the weights hold NaN or infinity")
        if name not in ranks or method.alpha == 0.0:
            return attacked
        step = project(difference(base, aligned), ranks[name])
        made, certificate = move(attacked, step, method.alpha, attacked.dtype)
        moved.append(HardenedTensor(name, tuple(made.shape), certificate))
        return made

    combine_checkpoints([*alignment, tuned], out, rule, progress)
    return facts(moved)
