"""Run a plan as an adversary would: where several points of an attack are open, find the worst.

The point is chosen on the dev prompts and reported on the plan's own, so that the reported rate is
not the luckiest of many. A plan on the dev prompts has no others: there the choice is made on the
numbers that are reported, and ``worst_case.csv`` says so and widens the intervals.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lox_bench.attacks.points import AttackPoint
from lox_bench.results.row import Row
from lox_bench.results.run import NO_ATTACK
from lox_bench.results.validity import CONTROL
from lox_bench.search.strength import SearchedAttack, Strength
from lox_bench.search.tuner import STUDY, Outcome, Search, Space
from lox_bench.search.worst_case import (
    Choice,
    WorstCase,
    accuracy_tasks,
    attacked_cells,
    choices,
    worst_cases,
)
from lox_bench.study.live import plan_rows
from lox_bench.study.materialise import Display
from lox_bench.study.pipeline import CellResult
from lox_bench.study.plan import Cell, Plan, attacked_cell, planned_task
from lox_bench.study.recipes import FamilyRecipes
from lox_bench.study.variants import Attacked, key_of

_ASR = "asr"

Runner = Callable[[Plan], Sequence[CellResult]]


@dataclass(frozen=True, slots=True)
class Findings:
    """What an adversary with a choice of points achieves.

    ``cells`` are the points, ``rows`` what they were chosen on, ``slack`` in points of accuracy;
    ``tests`` names the accuracy task of each attack.
    """

    cells: Sequence[Cell]
    rows: Sequence[Row]
    worst: Sequence[WorstCase]
    slack: float
    tests: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Played:
    """A plan carried out; ``plan`` holds the cells a search has added."""

    plan: Plan
    results: Sequence[CellResult]
    findings: Findings | None


def play(plan: Plan, run: Runner, display: Display, folder: Path) -> Played:
    """Carry ``plan`` out.

    Args:
        plan: what to do, perhaps with attacks whose strength is open.
        run: materialises and measures the cells of a plan.
        display: where a search shows its progress.
        folder: the run's, where a search keeps its study.
    """
    strength = plan.strength
    if strength is None:
        return Played(plan, run(plan), None)
    tuning = _tuning_plan(plan)
    same_prompts = tuning.split == plan.split
    results = run(plan)
    if strength.trials:
        tuner = _Tuner(plan, tuning, strength, run, display, folder / STUDY)
        tuning = replace(tuning, cells=tuner.cells())
        rows, chosen = _choose(tuning, run(tuning))
        plan = replace(plan, found=found_cells(plan, tuning, chosen))
        results = run(plan)
    else:
        rows, chosen = _choose(tuning, run(tuning))
    worst = worst_cases(plan, plan_rows(plan, results), chosen, same_prompts=same_prompts)
    findings = Findings(tuning.cells, rows, worst, strength.slack, accuracy_tasks(plan))
    return Played(plan, results, findings)


def _tuning_plan(plan: Plan) -> Plan:
    """The plan's ends of attacks on the prompts an adversary may look at."""
    tasks = [task for task in plan.tasks if task.spec.metric == _ASR]
    ends = attacked_cells(plan)
    cells = tuple(cell for cell in plan.cells if cell.name in ends)
    if all(task.spec.dev_prompts for task in tasks) and plan.split != "dev":
        tasks = [planned_task(task.spec.name, "dev") for task in tasks]
        return replace(plan, cells=cells, tasks=tuple(tasks), split="dev")
    return replace(plan, cells=cells, tasks=tuple(tasks))


def _choose(tuning: Plan, results: Sequence[CellResult]) -> tuple[list[Row], list[Choice]]:
    rows = plan_rows(tuning, results)
    return rows, choices(tuning, rows, attacked_cells(tuning))


def found_cells(plan: Plan, tuning: Plan, chosen: Sequence[Choice]) -> tuple[Cell, ...]:
    """The chosen cells that are not among the plan's own, each with the undefended control's.

    Without the control under the very same point, nobody knows whether that point breaks anything.
    """
    wanted = {choice.cell for choice in chosen}
    found = [cell for cell in tuning.cells if cell.name in wanted]
    controls = {
        cell.seed: cell for cell in plan.cells if (cell.model, cell.attack) == (CONTROL, NO_ATTACK)
    }
    found += [
        replace(cell, model=CONTROL, recipe=replace(cell.recipe, model=controls[cell.seed].recipe))
        for cell in found
        if cell.seed in controls and isinstance(cell.recipe, Attacked)
    ]
    known = {cell.name for cell in plan.cells}
    return tuple({cell.name: cell for cell in found if cell.name not in known}.values())


@dataclass(frozen=True, slots=True)
class _Tuner:
    """Searches the worst point of each attack against each model and seed."""

    plan: Plan
    tuning: Plan
    strength: Strength
    run: Runner
    display: Display
    study: Path

    def cells(self) -> tuple[Cell, ...]:
        """All cells that were tried, the plan's own attacks among them, each once."""
        tried = [
            cell
            for model in self.plan.cells
            if model.attack == NO_ATTACK
            for attack in self.strength.searched
            for cell in self._search(model, attack)
        ]
        return tuple({cell.name: cell for cell in (*self.tuning.cells, *tried)}.values())

    def _search(self, model: Cell, attack: SearchedAttack) -> list[Cell]:
        rows = self.plan.attack_data[attack.spec.name]
        recipes = FamilyRecipes(self.plan.family, model.seed, self.plan.max_steps)

        def cell_at(point: AttackPoint) -> Cell:
            return attacked_cell(model.model, model.recipe, point, recipes, rows)

        own = recipes.attacked(model.recipe, attack.spec, rows, attack.fixed).train
        search = Search(
            file=self.study,
            name=replace(model, attack=attack.spec.name).name.stem,
            space=Space.of(attack, own),
            trials=self.strength.trials,
            seed=model.seed,
            slack=self.strength.slack,
        )
        with self.display.stage(f"search {search.name}: {search.trials} trials") as progress:
            points = search.run(lambda point: self._attempt(cell_at(point)), progress)
        return [cell_at(point) for point in points]

    def _attempt(self, cell: Cell) -> Outcome:
        """Measure one point; the first judge's word is what the search maximises."""
        trial = replace(self.tuning, cells=(cell,))
        _, (choice, *_) = _choose(trial, self.run(trial))
        point = choice.picked
        facts = {"judge": choice.judge, "recipe": key_of(cell.recipe), "asked": point.asked}
        return Outcome(point.success, point.accuracy, facts)
