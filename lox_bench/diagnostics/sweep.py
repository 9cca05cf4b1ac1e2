"""Run a study of many short-lived models under one progress bar.

Each point is a variant of an ordinary study, so its answers and verdicts are artifacts of the store
under the point's own key: a killed sweep continues at the first point that is missing, and two
sweeps share the points they have in common. The points' weights are made, loaded and freed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from lox_bench.engine.local import LocalExecutor
from lox_bench.results.metrics import ASR
from lox_bench.study.measure import VariantResult, graph_of, measure
from lox_bench.study.study import Study
from lox_bench.types import Progress


def harm_only(study: Study) -> Study:
    """The study without the tasks and utilities that do not bear on harm."""
    tasks = tuple(task for task in study.tasks if task.spec.metric == ASR)
    return replace(study, tasks=tasks, utilities=())


def run_sweep(study: Study, executor: LocalExecutor, title: str) -> list[VariantResult]:
    """Measure every variant of ``study``; one bar counts the stages."""
    total = len(graph_of(study).missing(executor.store))
    with executor.display.stage(title) as bar:
        return measure(study, replace(executor, display=_Inside(bar, total)))


@dataclass(slots=True)
class _Inside:
    """Shows the stages of a sweep as the detail of its bar."""

    bar: Progress
    total: int
    done: int = 0

    @contextmanager
    def stage(self, title: str) -> Iterator[Progress]:
        """Show the title; its steps follow."""
        self.bar.step(self.done, self.total, title)
        yield _Detail(self, title)
        self.done += 1
        self.bar.step(self.done, self.total, title)


@dataclass(frozen=True, slots=True)
class _Detail:
    inside: _Inside
    title: str

    def step(self, done: int, total: int, detail: str = "") -> None:
        """Pass progress on, without moving the sweep's own count."""
        held = self.inside
        held.bar.step(held.done, held.total, f"{self.title}: {done}/{total} {detail}")
