"""LoX as a difference: what ``lox-bench harden --format delta`` writes, as a method of a study."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Annotated, ClassVar

from lox_bench.data.stage import lineage
from lox_bench.engine.context import Context, Inputs
from lox_bench.engine.stage import Effort, Facts, Stage
from lox_bench.methods.method import Between, Models, Place
from lox_bench.methods.stage import Merge, Streamed
from lox_bench.ranges import Range


@dataclass(frozen=True, slots=True)
class LoxDelta:
    """LoX's step as a LoRA adapter over the aligned model (arXiv 2506.15606).

    ``alpha * Proj_k(aligned - base)`` of every linear layer below the head, in float32: a back end
    that serves adapters puts it over an aligned model that is loaded once; for others it is merged.
    Embeddings and head, which no engine takes, and what an adapter cannot hold (stacks of experts)
    stay aligned, so that this is not quite ``lox``; what is left out stands in the facts.
    """

    place: ClassVar[Place] = Place.BEFORE
    family_defaults: ClassVar[str] = "lox"
    search: ClassVar[Mapping[str, Between]] = {
        "k": Between(1, 64, log=True),
        "alpha": Between(0.1, 2, log=True),
    }

    k: Annotated[int, Range(1, inf)] = 6
    alpha: Annotated[float, Range(-100, 100)] = 1.25

    def stage(self, models: Models) -> Stage:
        """The aligned model with the step's adapter merged into it."""
        label = f"lox-delta(k={self.k},alpha={self.alpha:g})"
        delta = Delta(models.base, models.aligned, self.k, self.alpha, label)
        return Merge(models.aligned, delta, rank=self.k, label=label)


@dataclass(frozen=True, eq=False)
class Delta(Streamed):
    """LoX's step of rank ``k`` as a PEFT adapter over ``aligned``."""

    kind: ClassVar[str] = "delta"

    base: Stage
    aligned: Stage
    k: int
    alpha: float
    label: str = field(default="", compare=False)

    @property
    def title(self) -> str:
        """Names the method."""
        return f"harden {self.label}"

    @property
    def effort(self) -> Effort:
        """One checkpoint of the family."""
        return Effort(1.0, f"delta {lineage(self.base)}")

    def build(self, inputs: Inputs, out: Path, context: Context) -> Facts:
        """Write the adapter, streaming; facts as of ``lox``, and what it cannot hold."""
        from lox_bench.weights.checkpoint import open_checkpoint
        from lox_bench.weights.delta import write_adapter
        from lox_bench.weights.pairs import EMBEDDINGS, HEADS
        from lox_bench.weights.report import facts
        from lox_bench.weights.select import Settings

        context.loaded.clear()
        base, aligned = inputs[self.base], inputs[self.aligned]
        names = open_checkpoint(aligned).names
        ends = sorted(name for name in names if name.endswith((*EMBEDDINGS, *HEADS)))
        settings = Settings(rank=self.k, alpha=self.alpha, exclude=tuple(ends))
        made = write_adapter(base, aligned, out, settings, context.progress)
        return {**facts(made.hardened), "left_out": [*ends, *sorted(made.left_out)]}
