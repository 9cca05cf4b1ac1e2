"""LoX, the method that this benchmark grew around."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Annotated, Any, ClassVar

from lox_bench.methods.method import Between, Folders, NoneIs, Place
from lox_bench.ranges import Range
from lox_bench.types import Progress


@dataclass(frozen=True, slots=True)
class Lox:
    """Push the aligned weights further along their top k alignment directions (arXiv 2506.15606).

    ``aligned + alpha * Proj_k(aligned - base)`` for every tensor of two or more dimensions, each
    matrix of a stack on its own; vectors stay as they are. ``k = None`` keeps all directions.
    """

    place: ClassVar[Place] = Place.BEFORE
    family_defaults: ClassVar[str] = "lox"
    search: ClassVar[Mapping[str, Between]] = {
        "k": Between(1, 64, log=True),
        "alpha": Between(0.1, 2, log=True),
    }

    k: Annotated[int | None, Range(1, inf), NoneIs("full")] = 6
    alpha: Annotated[float, Range(-100, 100)] = 1.25

    def checkpoint(self, models: Folders, out: Path, progress: Progress) -> Mapping[str, Any]:
        """Write the hardened model; its facts are the certificates of all tensors."""
        from lox_bench.weights.report import facts
        from lox_bench.weights.select import Settings
        from lox_bench.weights.transform import harden_checkpoint

        settings = Settings(rank=self.k, alpha=self.alpha)
        return facts(harden_checkpoint(models.base, models.aligned, out, settings, progress))
