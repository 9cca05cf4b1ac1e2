"""Run a plan of many short-lived models under one progress bar.

Each point is a cell of an ordinary plan, so its answers and verdicts are artifacts of the store
under the point's own key: a killed sweep continues at the first point that is missing, and two
sweeps share the points they have in common. The points' weights are made, loaded and deleted.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from lox_bench.backends.template import load_template
from lox_bench.engine.local import Display
from lox_bench.engine.store import Store
from lox_bench.study.derive import derivation
from lox_bench.study.materialise import Materialiser
from lox_bench.study.measure import VariantResult, measure
from lox_bench.study.study import Study
from lox_bench.study.variant import Variant
from lox_bench.study.variants import EPHEMERAL
from lox_bench.types import Progress


def asr_only(plan: Study) -> Study:
    """The plan without the tasks and utilities that do not bear on ASR."""
    tasks = tuple(task for task in plan.tasks if task.spec.metric == "asr")
    return replace(plan, tasks=tasks, utilities=())


def run_sweep(
    plan: Study, store: Store, display: Display, title: str, *, upstream: Sequence[Variant] = ()
) -> list[VariantResult]:
    """Measure every cell of ``plan``, in its order: lasting models first, then the points.

    ``upstream`` are models that the points are computed from and that are not measured.
    """
    points = [cell for cell in plan.cells if isinstance(cell.recipe, EPHEMERAL)]
    lasting = [cell for cell in plan.cells if cell not in points]
    results = dict(
        zip(lasting, measure(replace(plan, cells=tuple(lasting)), store, display), strict=True)
    )
    maker = Materialiser(store, load_template(plan.family.template), plan.attack_data, display)
    for cell in upstream:
        maker.checkpoint(cell.recipe, cell.model)
    for cell in points:
        if isinstance(cell.recipe, EPHEMERAL):
            derivation(cell.recipe, maker)  # makes what the points rest on, visibly
    with display.stage(title) as bar:
        for done, cell in enumerate(points):
            inside = _Inside(bar, done, len(points), cell)
            results[cell] = measure(replace(plan, cells=(cell,)), store, inside)[0]
            bar.step(done + 1, len(points), cell.model)
    return [results[cell] for cell in plan.cells]


@dataclass(frozen=True, slots=True)
class _Inside:
    """Shows the stages of one point as the detail of the sweep's bar."""

    bar: Progress
    done: int
    total: int
    cell: Variant

    @contextmanager
    def stage(self, title: str) -> Iterator[Progress]:
        """Show the title; its steps follow."""
        self.bar.step(self.done, self.total, title)
        yield _Detail(self, title)


@dataclass(frozen=True, slots=True)
class _Detail:
    inside: _Inside
    title: str

    def step(self, done: int, total: int, detail: str = "") -> None:
        """Pass progress on, without moving the sweep's own count."""
        held = self.inside
        held.bar.step(held.done, held.total, f"{self.title}: {done}/{total} {detail}")
