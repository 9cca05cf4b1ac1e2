"""Methods that work on weights, as stages: before the attack, and after it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from lox_bench.backends.loads import Over
from lox_bench.data.stage import lineage
from lox_bench.engine.context import Context, Inputs
from lox_bench.engine.resources import Resources, streaming
from lox_bench.engine.stage import Effort, Facts, Keep, Stage
from lox_bench.methods.method import Folders, Models
from lox_bench.methods.realign import Lessons


class Streamed(Stage):
    """Weights that are made of others tensor by tensor, and again in seconds."""

    keep: ClassVar[Keep] = Keep.CHEAP

    def resources(self, size: int) -> Resources:
        """Tensor by tensor."""
        return streaming(size)


@dataclass(frozen=True, eq=False)
class Harden(Streamed):
    """A model after a ``before`` method."""

    kind: ClassVar[str] = "harden"

    base: Stage
    aligned: Stage
    method: Any
    label: str = field(default="", compare=False)

    @property
    def title(self) -> str:
        """Names the variant."""
        return f"harden {self.label}"

    @property
    def effort(self) -> Effort:
        """One checkpoint of the family, by this class of method."""
        return Effort(1.0, f"{type(self.method).__name__} {lineage(self.base)}")

    def build(self, inputs: Inputs, out: Path, context: Context) -> Facts:
        """Write the hardened checkpoint, streaming."""
        from lox_bench.methods.apply import apply_method

        context.loaded.clear()
        base, aligned = inputs[self.base], inputs[self.aligned]
        models = Folders(base=base, aligned=aligned, start=aligned, tuned=aligned)
        return apply_method(self.method, models, out, context.progress)


@dataclass(frozen=True, eq=False)
class Merge(Streamed):
    """A base with a PEFT adapter merged into it, rounded once.

    ``rank`` is what the adapter's configuration says; a back end may serve it unmerged.
    """

    kind: ClassVar[str] = "merge"

    base: Stage
    adapter: Stage
    rank: int = field(default=0, compare=False)
    label: str = field(default="", compare=False)

    @property
    def title(self) -> str:
        """Names the model."""
        return f"merge {self.label}"

    @property
    def over(self) -> Over:
        """The base, and the adapter over it."""
        return Over(self.base, self.adapter, self.rank)

    @property
    def effort(self) -> Effort:
        """One checkpoint of the family."""
        return Effort(1.0, f"merge {lineage(self.base)}")

    def build(self, inputs: Inputs, out: Path, context: Context) -> Facts:
        """Write the merged checkpoint, streaming."""
        from lox_bench.weights.stacked import merge_adapter

        context.loaded.clear()
        base, adapter = inputs[self.base], inputs[self.adapter]
        return {"tensors": merge_adapter(base, adapter, out, context.progress)}


@dataclass(frozen=True, eq=False)
class Repair(Streamed):
    """An attacked model after an ``after`` method; ``start`` is the model that was attacked."""

    kind: ClassVar[str] = "repair"

    base: Stage
    aligned: Stage
    start: Stage
    tuned: Stage
    method: Any
    label: str = field(default="", compare=False)

    @property
    def title(self) -> str:
        """Names the variant."""
        return f"repair {self.label}"

    @property
    def effort(self) -> Effort:
        """One checkpoint of the family, by this class of method."""
        return Effort(1.0, f"{type(self.method).__name__} {lineage(self.base)}")

    def build(self, inputs: Inputs, out: Path, context: Context) -> Facts:
        """Write the repaired checkpoint, streaming."""
        from lox_bench.methods.apply import apply_method

        context.loaded.clear()
        models = Folders(
            base=inputs[self.base],
            aligned=inputs[self.aligned],
            start=inputs[self.start],
            tuned=inputs[self.tuned],
        )
        return apply_method(self.method, models, out, context.progress)


def hardened(
    method: Any, base: Stage, aligned: Stage, label: str, lessons: Lessons | None = None
) -> Stage:
    """The stage of a model after a ``before`` method; ``lessons`` are for one that trains."""
    if hasattr(method, "stage"):
        models = Models(base, aligned, start=aligned, tuned=aligned, lessons=lessons)
        made: Stage = method.stage(models)
        return made
    return Harden(base, aligned, method, label)


def repaired(method: Any, models: Models, label: str) -> Stage:
    """The stage of an attacked model after an ``after`` method."""
    if hasattr(method, "stage"):
        made: Stage = method.stage(models)
        return made
    return Repair(models.base, models.aligned, models.start, models.tuned, method, label)
