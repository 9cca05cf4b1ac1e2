"""Turn what the user asked for into a plan: cells of models x attacks x seeds, all frozen.

Everything that can be wrong with a request is found here, before the first second of work.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lox_bench import __version__
from lox_bench.attacks.points import AttackPoint
from lox_bench.attacks.snapshot import snapshots_of
from lox_bench.attacks.spec import AttackSpec
from lox_bench.codec import hash_of
from lox_bench.data.prompts import PromptSet, TaskSpec, load_prompts, load_task
from lox_bench.data.rows import RowSet, resolve_rows
from lox_bench.data.spec import columns_of
from lox_bench.errors import UnknownNameError, UsageError
from lox_bench.grammar import Call, parse_calls
from lox_bench.judges.build import pinned
from lox_bench.judges.choice import Elsewhere, choose_judges
from lox_bench.judges.kinds import JudgeSpec, KeywordSpec, described
from lox_bench.registry import names_of
from lox_bench.results.run import NO_ATTACK, VariantName
from lox_bench.search.strength import Strength, read_attacks
from lox_bench.search.tuner import require_optuna
from lox_bench.study.family import FamilySpec, load_family
from lox_bench.study.models import MODELS, build_model
from lox_bench.study.recipes import FamilyRecipes
from lox_bench.study.variants import Attacked, Recipe, key_of
from lox_bench.utility.spec import UtilitySpec, load_utility

SPLITS = ("eval", "dev")


@dataclass(frozen=True, slots=True)
class Request:
    """What a user typed, still as text."""

    models: str = "aligned,lox"
    attack: str = "gsm8k"
    family: str = "smollm2-135m"
    judges: str = "keyword-prefix"
    elsewhere: Elsewhere = field(default_factory=Elsewhere)
    seeds: tuple[int, ...] = (0,)
    limit: int | None = None
    max_steps: int | None = None
    split: str = "eval"
    data: Mapping[str, Path] = field(default_factory=dict)
    strict_data: bool = False
    attack_search: int | None = None
    accuracy_slack: float = 5.0
    eval_every: int | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One model in one state: before (``attack = none``) or after an attack, for one seed."""

    model: str
    attack: str
    attack_data: str
    seed: int
    recipe: Recipe

    @property
    def name(self) -> VariantName:
        """What the leaderboard and the files of a run call it."""
        return VariantName(self.model, self.attack, self.seed)

    @property
    def title(self) -> str:
        """``aligned``, or ``aligned+gsm8k`` after an attack."""
        return self.name.title


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """A task with the prompts it will use."""

    spec: TaskSpec
    prompts: PromptSet


@dataclass(frozen=True, slots=True)
class PlannedUtility:
    """A utility task with the rows it will use."""

    spec: UtilitySpec
    rows: RowSet

    @property
    def title(self) -> str:
        """The task's name, marked when its rows are only a stand-in."""
        return f"{self.spec.name}-standin" if self.rows.is_standin else self.spec.name


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a run will do."""

    family: FamilySpec
    cells: tuple[Cell, ...]
    tasks: tuple[PlannedTask, ...]
    judges: tuple[JudgeSpec, ...]
    utilities: tuple[PlannedUtility, ...]
    attack_data: Mapping[str, RowSet]
    limit: int | None
    split: str
    attacks: tuple[AttackSpec, ...] = ()  # the specs behind the names in attack_data
    max_steps: int | None = None
    strength: Strength | None = None  # where there is more than one point of an attack
    found: tuple[Cell, ...] = ()  # added by a search: a result, so no part of the key

    @property
    def key(self) -> str:
        """One hash for the whole plan: equal plans write equal results."""
        strength = {} if self.strength is None else {"strength": self.strength.described()}
        return hash_of(
            {
                **strength,
                "version": __version__,
                "cells": [[cell.title, cell.seed, key_of(cell.recipe)] for cell in self.cells],
                "tasks": [[task.spec.name, task.prompts.sha256] for task in self.tasks],
                "judges": [_judge_key(judge) for judge in self.judges],
                "utilities": [[item.title, item.rows.sha256] for item in self.utilities],
                "limit": self.limit,
            }
        )

    @property
    def name(self) -> str:
        """Default name of the run's folder: the same request always gets the same one."""
        attacks = "+".join(self.attack_data) or NO_ATTACK
        return f"{self.family.name}-{attacks}-{self.key[:8]}"


def make_plan(request: Request) -> Plan:
    """Check a request and resolve every name, data file and source in it.

    Raises:
        LoxBenchError: anything the user can mend, found before work starts.
    """
    _check_numbers(request)
    family = load_family(request.family)
    judges = tuple(map(pinned, choose_judges(request.judges, request.elsewhere)))
    models = [_check_model(call) for call in parse_calls(request.models)]
    if request.attack_search is not None:
        require_optuna()
    asked = read_attacks(request.attack, search=request.attack_search is not None)
    strength = asked.strength(request.attack_search, request.accuracy_slack)
    attacks = list({point.spec.name: point.spec for point in asked.points}.values())
    _check_data_names(request.data, attacks)
    rows = {spec.name: _attack_rows(spec, request) for spec in attacks}
    cells = _cells(request, family, models, asked.points, rows)
    return Plan(
        family=family,
        cells=tuple(cells),
        tasks=tuple(planned_task(name, request.split) for name in names_of("tasks")),
        judges=judges,
        utilities=_utilities(attacks, request),
        attacks=tuple(attacks),
        attack_data=rows,
        limit=request.limit,
        split=request.split,
        max_steps=request.max_steps,
        strength=strength,
    )


def _cells(
    request: Request,
    family: FamilySpec,
    models: Sequence[Call],
    points: Sequence[AttackPoint],
    rows: Mapping[str, RowSet],
) -> list[Cell]:
    cells: list[Cell] = []
    for seed in request.seeds:
        recipes = FamilyRecipes(family, seed=seed, max_steps=request.max_steps)
        built = [build_model(call, recipes) for call in models]
        cells += [Cell(name, NO_ATTACK, "", seed, recipe) for name, recipe in built]
        for name, recipe in built:
            for point in points:
                cell = attacked_cell(name, recipe, point, recipes, rows[point.spec.name])
                cells += [cell, *_on_the_way(cell, rows[point.spec.name], request.eval_every)]
    return cells


def _judge_key(judge: JudgeSpec) -> str:
    """A phrase list is known by its name; a model's name says too little."""
    if isinstance(judge, KeywordSpec):
        return judge.name
    return f"{judge.name}:{hash_of(described(judge))}"


def attacked_cell(
    model: str, recipe: Recipe, point: AttackPoint, recipes: FamilyRecipes, rows: RowSet
) -> Cell:
    """The cell of one model (name and recipe) under one attack.

    Raises:
        UsageError: the attack wants more rows than there are.
    """
    held = len(rows.rows)
    if (point.settings.rows or 0) > held:
        raise UsageError(f"attack {point.name}: there are only {held} rows ({rows.label})")
    attacked = recipes.attacked(recipe, point.spec, rows, point.settings)
    return Cell(model, point.name, rows.label, recipes.seed, attacked)


def snapshot_title(attack: str, step: int) -> str:
    """What weights from the midst of an attack are called: ``gsm8k@10``."""
    return f"{attack}@{step}"


def _on_the_way(cell: Cell, rows: RowSet, every: int | None) -> list[Cell]:
    if every is None or not isinstance(cell.recipe, Attacked):
        return []
    return [
        replace(cell, attack=snapshot_title(cell.attack, snapshot.step), recipe=snapshot)
        for snapshot in snapshots_of(cell.recipe, len(rows.rows), every)
    ]


def _check_numbers(request: Request) -> None:
    for name, value in (
        ("--limit", request.limit),
        ("--max-steps", request.max_steps),
        ("--attack-search", request.attack_search),
        ("--eval-every", request.eval_every),
    ):
        if value is not None and value < 1:
            raise UsageError(f"{name} must be at least 1, not {value}")
    if len(set(request.seeds)) != len(request.seeds) or not request.seeds:
        raise UsageError(f"--seed wants distinct whole numbers, not {request.seeds}")
    if request.split not in SPLITS:
        raise UsageError(f"--split must be one of {', '.join(SPLITS)}, not {request.split!r}")


def _check_model(call: Call) -> Call:
    if call.target is None and call.name not in MODELS:
        raise UnknownNameError("model", call.name, [*MODELS, "NAME=PATH"])
    return call


def _check_data_names(data: Mapping[str, Path], attacks: Sequence[AttackSpec]) -> None:
    known = [name for spec in attacks for name in (spec.name, f"{spec.utility}/test")]
    for name in data:
        if name not in known:
            raise UnknownNameError("data set of this run", name, known or ["(no attack is asked)"])


def _attack_rows(spec: AttackSpec, request: Request) -> RowSet:
    columns = columns_of(spec.prompt) + columns_of(spec.completion)
    return resolve_rows(
        spec.data, request.data.get(spec.name), columns=columns, strict=request.strict_data
    )


def planned_task(name: str, split: str) -> PlannedTask:
    """A packaged task with the prompts of a split."""
    spec = load_task(name)
    return PlannedTask(spec, load_prompts(spec.prompts if split == "eval" else spec.dev_prompts))


def _utilities(attacks: Sequence[AttackSpec], request: Request) -> tuple[PlannedUtility, ...]:
    names = dict.fromkeys(spec.utility for spec in attacks if spec.utility)
    return tuple(_planned_utility(load_utility(name), request) for name in names)


def _planned_utility(spec: UtilitySpec, request: Request) -> PlannedUtility:
    columns = columns_of(spec.prompt) + columns_of(spec.target)
    file = request.data.get(f"{spec.name}/test")
    rows = resolve_rows(spec.data, file, columns=columns, strict=request.strict_data)
    if rows.is_standin and spec.standin_max_new_tokens:
        spec = replace(spec, max_new_tokens=spec.standin_max_new_tokens)
    return PlannedUtility(spec, rows)
