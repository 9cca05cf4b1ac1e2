"""A task of lm-eval as a stage: what a model gets on it, document by document."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from lox_bench.backends.template import Template
from lox_bench.codec import read_records, write_records
from lox_bench.data.stage import lineage
from lox_bench.engine.context import Context, Inputs
from lox_bench.engine.resources import Resources, answering
from lox_bench.engine.stage import Effort, Facts, Stage
from lox_bench.utility.benchmark import BenchmarkSpec, Sampled

SAMPLES = "samples.jsonl"


@dataclass(frozen=True, eq=False)
class Benchmark(Stage):
    """A model on the documents of a task; ``sha256`` pins them, ``version`` is lm-eval's."""

    kind: ClassVar[str] = "benchmark"

    model: Stage
    task: BenchmarkSpec
    sha256: str
    metrics: tuple[str, ...]
    lm_eval: str
    limit: int | None
    template: Template | None  # only where questions go through it
    dtype: str
    documents: int = field(default=0, compare=False)
    label: str = field(default="", compare=False)

    @property
    def title(self) -> str:
        """Says whose, and on what."""
        return f"lm-eval {self.label}"

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

        context.loaded.clear()
        records = evaluate_benchmark(
            self.task,
            inputs[self.model],
            self.template,
            dtype=getattr(torch, self.dtype),
            limit=self.limit,
            metrics=self.metrics,
        )
        write_records(out / SAMPLES, records)
        return {"documents": len(records), "lm_eval": self.lm_eval}


def read_samples(folder: Path) -> list[Sampled]:
    """The documents of a finished stage."""
    return read_records(folder / SAMPLES, Sampled)
