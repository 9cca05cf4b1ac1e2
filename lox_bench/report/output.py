"""Write a run's folder: leaderboard, manifest, transcripts, verdicts, plots."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lox_bench.adversary import Findings
from lox_bench.pipeline import CellResult
from lox_bench.plan import Plan
from lox_bench.provenance import environment
from lox_bench.records import write_records
from lox_bench.report import worst_case
from lox_bench.report.agreement import write_agreement
from lox_bench.report.folder import claim
from lox_bench.report.leaderboard import leaderboard
from lox_bench.report.overview import overview, overview_rows
from lox_bench.report.publish import write_leaderboard
from lox_bench.rows import Row, to_csv
from lox_bench.runs import CellName, Run, completions_file, utility_file, verdicts_file
from lox_bench.store import MANIFEST, read_manifest, write_json, write_text
from lox_bench.variants import Direction, Perturbed, Recipe, describe, key_of

CHOICE_ROWS = "attack_choice.csv"  # a leaderboard of the prompts a worst point was chosen on


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A results folder that belongs to one plan: writing it again is safe, another's is refused."""

    path: Path

    @classmethod
    def claim(cls, path: Path, plan: Plan) -> "RunFolder":
        """Make the folder, or take it over if it holds an earlier run of the same plan.

        Raises:
            UsageError: it holds something else.
            StoreError: it cannot be written.
        """
        claim(path, plan.key)
        return cls(path)

    def write(
        self,
        plan: Plan,
        results: Sequence[CellResult],
        command: Sequence[str],
        findings: Findings | None = None,
        *,
        plots: bool = True,
    ) -> list[Row]:
        """Write everything; the leaderboard's rows are returned, the manifest comes last."""
        rows = leaderboard(plan, results)
        for result in results:
            self._transcripts(result)
        if plots:
            self._plots(rows, results, findings)
        if findings is not None:
            write_text(self.path / worst_case.WORST_CASE, worst_case.to_csv(findings.worst))
            write_text(self.path / CHOICE_ROWS, to_csv(findings.rows))
        write_leaderboard(self.path, rows)
        manifest = _manifest(plan, results, command)
        write_agreement(Run(self.path, manifest))
        write_json(self.path / MANIFEST, manifest)
        return rows

    def _transcripts(self, result: CellResult) -> None:
        name = result.cell.name
        for folder in ("completions", "verdicts"):
            (self.path / folder).mkdir(exist_ok=True)
        for task, completions in result.completions.items():
            write_records(completions_file(self.path, name, task), completions)
        for (task, judge), verdicts in result.verdicts.items():
            write_records(verdicts_file(self.path, name, task, judge), verdicts)
        for title, records in result.utility.items():
            write_records(utility_file(self.path, name, title), records)

    def _plots(
        self, rows: Sequence[Row], results: Sequence[CellResult], findings: Findings | None
    ) -> None:
        from lox_bench.report.curves import plot_steps, plot_strength
        from lox_bench.report.plots import plot_asr, plot_losses, plot_tradeoff

        folder = self.path / "plots"
        folder.mkdir(exist_ok=True)
        shown = overview(results, findings)
        plot_asr(overview_rows(rows, shown), folder / "asr.png")
        plot_tradeoff(overview_rows(rows, shown), folder / "asr_vs_accuracy.png")
        plot_losses(_curves(results, shown), folder / "loss.png")
        plot_steps(results, rows, folder / "asr_vs_steps.png")
        if findings is not None:
            for attack in dict.fromkeys(case.attack for case in findings.worst):
                plot_strength(attack, findings, rows, folder / f"strength-{attack}.png")


def _curves(results: Sequence[CellResult], shown: Collection[CellName]) -> dict[str, Path]:
    """Loss curves of all stages that trained, under the title of the model they made."""
    several = len({result.cell.seed for result in results}) > 1
    curves = {}
    for result in results:
        file = result.artifacts[0] / "loss.csv"
        if file.is_file() and result.cell.name in shown:
            seed = f" seed {result.cell.seed}" if several else ""
            curves[f"{result.cell.title}{seed}"] = file
    return curves


def _manifest(
    plan: Plan, results: Sequence[CellResult], command: Sequence[str]
) -> Mapping[str, Any]:
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
            task.spec.name: {"set": task.prompts.name, "sha256": task.prompts.sha256}
            for task in plan.tasks
        },
        "judges": {judge.name: asdict(judge) for judge in plan.judges},
        "utilities": {
            item.title: {"rows": len(item.rows.rows), "sha256": item.rows.sha256}
            for item in plan.utilities
        },
        "environment": environment(),
        "cells": [_cell(result) for result in results],
    }


def _cell(result: CellResult) -> Mapping[str, Any]:
    manifests = [read_manifest(path) for path in result.artifacts if (path / MANIFEST).is_file()]
    return {
        "model": result.cell.model,
        "attack": result.cell.attack,
        "attack_data": result.cell.attack_data,
        "seed": result.cell.seed,
        "recipe": _recipe(result.cell.recipe),
        "stages": [
            {key: manifest[key] for key in ("stage", "key", "seconds", "facts")}
            for manifest in manifests
        ],
    }


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
