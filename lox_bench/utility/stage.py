"""Utility as a stage: a model's score on a task, answer by answer."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from lox_bench.backends.answers import spread
from lox_bench.backends.backend import Backend, Opened
from lox_bench.backends.template import Template
from lox_bench.codec import read_records, write_records
from lox_bench.data.stage import Rows, lineage, read_rows
from lox_bench.engine.context import Context, Inputs
from lox_bench.engine.resources import Resources, answering
from lox_bench.engine.stage import LATER, Effort, Facts, Stage
from lox_bench.utility.scores import Scored
from lox_bench.utility.spec import UtilitySpec

RECORDS = "utility.jsonl"


@dataclass(frozen=True, eq=False)
class Utility(Stage):
    """A model on (some of) a utility task's rows; ``adapters`` and ``room``: see ``Opened``."""

    kind: ClassVar[str] = "utility"
    version: ClassVar[int] = 3  # 2 compared texts where numbers were meant

    model: Stage
    task: UtilitySpec
    rows: Rows
    limit: int | None
    template: Template
    backend: Backend
    adapters: tuple[Stage, ...] = field(default=(), metadata=LATER)
    room: int = field(default=0, compare=False)
    label: str = field(default="", compare=False)

    @property
    def opened(self) -> Opened:
        """Who answers."""
        return Opened(self.model, self.template, self.backend, self.adapters, self.room)

    @property
    def title(self) -> str:
        """Says whose, and on what."""
        return f"utility {self.label}"

    @property
    def affinity(self) -> str:
        """The same loaded model as its answers."""
        return self.opened.name

    @property
    def effort(self) -> Effort:
        """Tokens at most."""
        held = self.rows.count
        count = min(self.task.max_rows or held, self.limit or held, held)
        return Effort(float(count * self.task.max_new_tokens), lineage(self.model))

    def resources(self, size: int) -> Resources:
        """A loaded model."""
        return answering(size)

    def build(self, inputs: Inputs, out: Path, context: Context) -> Facts:
        """Let lm-eval score the model; one ``Scored`` a row."""
        from lox_bench.utility.harness import evaluate

        rows = read_rows(inputs[self.rows])[: self.task.max_rows or None]
        generator = self.opened.generator(inputs, context)
        chosen = spread(rows, self.limit)
        records = evaluate(self.task, chosen, generator, context.progress)
        write_records(out / RECORDS, records)
        return {"rows": len(records), **getattr(generator, "facts", {})}


def read_scores(folder: Path) -> list[Scored]:
    """The scored rows of a finished stage."""
    return read_records(folder / RECORDS, Scored)
