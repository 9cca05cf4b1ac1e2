"""A task of lm-eval as a stage: what a model gets on it, document by document."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from lox_bench.backends.backend import Backend, Opened
from lox_bench.backends.template import Template
from lox_bench.codec import read_records, write_records
from lox_bench.data.stage import lineage
from lox_bench.engine.context import Context, Inputs
from lox_bench.engine.resources import Resources, answering
from lox_bench.engine.stage import LATER, Effort, Facts, Stage
from lox_bench.utility.benchmark import BenchmarkSpec, Sampled

SAMPLES = "samples.jsonl"


@dataclass(frozen=True, eq=False)
class Benchmark(Stage):
    """A model on the documents of a task; ``sha256`` pins them, ``lm_eval`` is its version.

    ``backend`` computes where it is not hf; ``adapters`` and ``room``: see ``Opened``, under
    ``served`` as the template with which the other stages of the model load it.
    """

    kind: ClassVar[str] = "benchmark"

    model: Stage
    task: BenchmarkSpec
    sha256: str
    metrics: tuple[str, ...]
    lm_eval: str
    limit: int | None
    template: Template | None  # only where questions go through it
    dtype: str
    backend: Backend | None = field(default=None, metadata=LATER)
    adapters: tuple[Stage, ...] = field(default=(), metadata=LATER)
    room: int = field(default=0, compare=False)
    served: Template | None = field(default=None, compare=False)
    documents: int = field(default=0, compare=False)
    label: str = field(default="", compare=False)

    @property
    def opened(self) -> Opened | None:
        """Who computes; ``None``: lm-eval's own class of models, with weights of its own."""
        if self.backend is None or self.served is None:
            return None
        return Opened(self.model, self.served, self.backend, self.adapters, self.room)

    @property
    def title(self) -> str:
        """Says whose, and on what."""
        return f"lm-eval {self.label}"

    @property
    def affinity(self) -> str:
        """The same loaded model as its answers, where it is loaded once for both."""
        return "" if self.opened is None else self.opened.name

    @property
    def effort(self) -> Effort:
        """Documents."""
        return Effort(float(min(self.documents, self.limit or self.documents)), lineage(self.model))

    def resources(self, size: int) -> Resources:
        """A loaded model."""
        return answering(size)

    def build(self, inputs: Inputs, out: Path, context: Context) -> Facts:
        """Let lm-eval ask the model; one ``Sampled`` a document."""
        import torch

        from lox_bench.utility.library import evaluate_benchmark
        from lox_bench.utility.lm import Running

        if self.opened is None:
            context.loaded.clear()
            scorer, by = None, getattr(torch, self.dtype)
        else:
            scorer = self.opened.scorer(inputs, context)
            by = Running(scorer, context.progress)
        records = evaluate_benchmark(
            self.task,
            inputs[self.model],
            self.template,
            by=by,
            limit=self.limit,
            metrics=self.metrics,
        )
        write_records(out / SAMPLES, records)
        facts = {"documents": len(records), "lm_eval": self.lm_eval}
        return {**facts, **getattr(scorer, "facts", {})}


def read_samples(folder: Path) -> list[Sampled]:
    """The documents of a finished stage."""
    return read_records(folder / SAMPLES, Sampled)
