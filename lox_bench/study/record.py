"""What a run's folder says of its making: recipes, hashes, judges, versions, seconds per stage."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from lox_bench.codec import from_plain, to_plain
from lox_bench.engine.store import MANIFEST, read_manifest
from lox_bench.judges.kinds import described
from lox_bench.provenance import environment
from lox_bench.results.record import (
    EnvironmentRecord,
    PromptsRecord,
    RowsRecord,
    RunRecord,
    StageRecord,
    UtilityRecord,
    VariantRecord,
)
from lox_bench.results.run import NO_ATTACK
from lox_bench.study.pipeline import CellResult
from lox_bench.study.plan import Cell, Plan, snapshot_title
from lox_bench.study.variants import (
    Attacked,
    Direction,
    Perturbed,
    Recipe,
    Snapshot,
    describe,
    key_of,
)
from lox_bench.types import Label


def run_record(plan: Plan, results: Sequence[CellResult], command: Sequence[str]) -> RunRecord:
    """Everything a run's numbers rest on; rows are made from it."""
    return RunRecord(
        plan=plan.key,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        command=tuple(command),
        family=plan.family.name,
        split=plan.split,
        limit=plan.limit,
        strength=to_plain(plan.strength.described()) if plan.strength else None,
        attack_data={
            name: RowsRecord(rows.label, len(rows.rows), rows.sha256)
            for name, rows in plan.attack_data.items()
        },
        prompts={
            task.spec.name: PromptsRecord(
                task.prompts.name, task.prompts.sha256, task.spec.metric, Label(task.spec.counts)
            )
            for task in plan.tasks
        },
        judges={judge.name: to_plain(described(judge)) for judge in plan.judges},
        added_judges=(),
        utilities={
            item.title: UtilityRecord(len(item.rows.rows), item.rows.sha256)
            for item in plan.utilities
        },
        environment=from_plain(EnvironmentRecord, to_plain(environment()), where="environment"),
        variants=tuple(_variant(plan, result) for result in results),
        expenses=(),
    )


def _variant(plan: Plan, result: CellResult) -> VariantRecord:
    cell, training = result.cell, result.training
    snapshot = cell.recipe if isinstance(cell.recipe, Snapshot) else None
    spec = _attack_spec(cell.recipe)
    return VariantRecord(
        model=cell.model,
        attack=cell.attack,
        attack_spec=spec,
        attack_data=cell.attack_data,
        utility=_accuracy_tasks(plan).get(spec, ""),
        attacked=cell.attack != NO_ATTACK,
        snapshot_step=snapshot.step if snapshot else None,
        snapshot_of=_whole_attack(plan, cell, snapshot) if snapshot else "",
        seed=cell.seed,
        align_seed=cell.seed,
        attack_seed=cell.seed,
        model_key=key_of(cell.recipe),
        made=to_plain(_recipe(cell.recipe)),
        template_sha256=result.template_sha256,
        loss_before=training.get("loss_before"),
        loss_after=training.get("loss_after"),
        steps=training.get("steps"),
        stages=tuple(_stages(result)),
    )


def _attack_spec(recipe: Recipe) -> str:
    if isinstance(recipe, Snapshot):
        return recipe.attacked.attack
    return recipe.attack if isinstance(recipe, Attacked) else ""


def _accuracy_tasks(plan: Plan) -> Mapping[str, str]:
    """Titles of the accuracy tasks by the names of the attack specs that are held to them."""
    titles = {item.spec.name: item.title for item in plan.utilities}
    return {spec.name: titles[spec.utility] for spec in plan.attacks if spec.utility in titles}


def _whole_attack(plan: Plan, cell: Cell, snapshot: Snapshot) -> str:
    """What the attack that a snapshot was taken from is called; one training may have two names."""
    return next(
        end.attack
        for end in plan.cells
        if (end.model, end.seed, end.recipe) == (cell.model, cell.seed, snapshot.attacked)
        and snapshot_title(end.attack, snapshot.step) == cell.attack
    )


def _stages(result: CellResult) -> Iterator[StageRecord]:
    for path in result.artifacts:
        if (path / MANIFEST).is_file():
            held = read_manifest(path)
            yield StageRecord(held["stage"], held["key"], float(held["seconds"]), held["facts"])


def _recipe(recipe: Recipe | Direction) -> Mapping[str, Any]:
    """The recipe written out in full, upstream recipes inside it."""
    plain = {"key": key_of(recipe), **describe(recipe)}
    if isinstance(recipe, Perturbed):
        plain["directions"] = [_recipe(direction) for direction in recipe.directions]
    for name in ("base", "aligned", "model", "attacked", "origin", "target"):
        upstream = getattr(recipe, name, None)
        if upstream is not None:
            plain[name] = _recipe(upstream)
    return plain
