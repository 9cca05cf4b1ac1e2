"""What a run's folder says of its making: recipes, hashes, judges, versions, seconds per stage."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from lox_bench.engine.stage import Stage, describe, key_of
from lox_bench.engine.store import MANIFEST, read_manifest
from lox_bench.judges.kinds import described
from lox_bench.provenance import environment
from lox_bench.study.measure import VariantResult
from lox_bench.study.study import Study
from lox_bench.study.variants import Direction, Perturbed


def run_manifest(
    plan: Study, results: Sequence[VariantResult], command: Sequence[str]
) -> dict[str, Any]:
    """Everything a run's numbers rest on, as plain data; rows are made from it."""
    return {
        "plan": plan.key,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": list(command),
        "family": plan.family.name,
        "split": plan.split,
        "limit": plan.limit,
        "strength": plan.strength and plan.strength.described(),
        "attack_data": {
            name: {"label": rows.label, "rows": len(rows.rows), "sha256": rows.sha256}
            for name, rows in plan.attack_data.items()
        },
        "prompts": {
            task.spec.name: {
                "set": task.prompts.name,
                "sha256": task.prompts.sha256,
                "metric": task.spec.metric,
                "counts": task.spec.counts,
            }
            for task in plan.tasks
        },
        "judges": {judge.name: described(judge) for judge in plan.judges},
        "utilities": {
            item.title: {"rows": len(item.rows.rows), "sha256": item.rows.sha256}
            for item in plan.utilities
        },
        "environment": environment(),
        "cells": [_cell(result) for result in results],
    }


def _cell(result: VariantResult) -> Mapping[str, Any]:
    manifests = [read_manifest(path) for path in result.artifacts if (path / MANIFEST).is_file()]
    return {
        "model": result.cell.model,
        "attack": result.cell.attack,
        "attack_data": result.cell.attack_data,
        "seed": result.cell.seed,
        "recipe": _recipe(result.cell.recipe),
        "template_sha256": result.template_sha256,
        "loss_before": result.training.get("loss_before"),
        "loss_after": result.training.get("loss_after"),
        "stages": [
            {key: manifest[key] for key in ("stage", "key", "seconds", "facts")}
            for manifest in manifests
        ],
    }


def _recipe(recipe: Stage | Direction) -> Mapping[str, Any]:
    """The recipe written out in full, upstream recipes inside it."""
    plain = {"key": key_of(recipe), **describe(recipe)}
    if isinstance(recipe, Perturbed):
        plain["directions"] = [_recipe(direction) for direction in recipe.directions]
    for name in ("base", "aligned", "model", "attacked", "origin", "target"):
        upstream = getattr(recipe, name, None)
        if upstream is not None:
            plain[name] = _recipe(upstream)
    return plain
