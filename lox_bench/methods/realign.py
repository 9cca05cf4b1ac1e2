"""Alignment gone on with under another loss: the stage of ``before`` methods that train."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from lox_bench.backends.template import Template
from lox_bench.data.stage import lineage
from lox_bench.engine.context import Context, Inputs
from lox_bench.engine.stage import Effort, Facts, Keep, Stage
from lox_bench.errors import UsageError
from lox_bench.training.spec import SftSpec, Training

if TYPE_CHECKING:
    from lox_bench.attacks.terms import Term
    from lox_bench.methods.method import Models


@dataclass(frozen=True, slots=True)
class Lessons:
    """What a method that trains needs to know of the family.

    ``taught`` is the stage of what its alignment teaches (refusals, and benign answers),
    ``learning_rate`` that of its own alignment, or for a released model 2e-5 times the family's
    factor for attacks.
    """

    taught: Stage
    template: Template
    learning_rate: float
    seed: int
    max_steps: int | None
    dtype: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """How far to train: optimiser steps, rows a step, learning rate (``None``: the family's)."""

    steps: int
    batch: int
    lr: float | None


@dataclass(frozen=True, eq=False)
class Realign(Stage):
    """A model trained on what the family's alignment teaches, all weights, under an objective."""

    kind: ClassVar[str] = "realign"
    keep: ClassVar[Keep] = Keep.DEAR

    model: Stage
    taught: Stage
    objective: Any  # a Term; its fields are part of the key
    train: SftSpec
    template: Template
    seed: int
    max_steps: int
    dtype: str
    label: str = field(default="", compare=False)

    @property
    def title(self) -> str:
        """Names the method."""
        return f"train {self.label}"

    @property
    def effort(self) -> Effort:
        """Rows trained on."""
        rows = float(self.max_steps * self.train.batch_size)
        return Effort(rows, f"{self.label} {lineage(self.model)}")

    def build(self, inputs: Inputs, out: Path, context: Context) -> Facts:
        """Train, and save the model in hub layout."""
        from lox_bench.attacks.job import SftJob
        from lox_bench.attacks.sft import attack
        from lox_bench.attacks.taught import read_taught

        context.loaded.clear()
        taught = read_taught([inputs[self.taught]])
        rows = () if taught is None else tuple(taught.all_rows(seed=self.seed))
        source = inputs[self.model]
        job = SftJob(
            source, source, source, rows, self.train, self.template, self.seed,
            objective=self.objective,
        )  # fmt: skip
        training = Training(out, self.seed, self.max_steps, self.dtype, context.progress)
        return {**attack(job, training), "rows": len(rows)}


def realigned(
    start: Stage, models: "Models", objective: "Term", schedule: Schedule, label: str
) -> Realign:
    """The stage that trains ``start`` on the family's alignment rows under ``objective``.

    Batches are never cut: a method may look at the whole of one.

    Raises:
        UsageError: whoever asks does not say how the family is aligned.
    """
    lessons = models.lessons
    if lessons is None:
        raise UsageError(f"{label} trains on the family's alignment rows, and none are said")
    train = SftSpec(
        learning_rate=schedule.lr or lessons.learning_rate,
        epochs=1.0,  # steps count
        batch_size=schedule.batch,
        micro_batch_size=schedule.batch,
    )
    return Realign(
        model=start,
        taught=lessons.taught,
        objective=objective,
        train=train,
        template=lessons.template,
        seed=lessons.seed,
        max_steps=min(schedule.steps, lessons.max_steps or schedule.steps),
        dtype=lessons.dtype,
        label=label,
    )
