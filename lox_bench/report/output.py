"""Write a run's folder: leaderboard, manifest, transcripts, verdicts, plots."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lox_bench.judging.pricing import Ledger
from lox_bench.pipeline import CellResult
from lox_bench.plan import Plan
from lox_bench.records import write_records
from lox_bench.report.agreement import write_agreement
from lox_bench.report.folder import claim
from lox_bench.report.leaderboard import leaderboard
from lox_bench.report.live import LiveRun, by_cell
from lox_bench.report.manifest import run_manifest
from lox_bench.report.publish import write_leaderboard
from lox_bench.rows import Row
from lox_bench.runs import completions_file, utility_file, verdicts_file
from lox_bench.store import MANIFEST, write_json


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A results folder that belongs to one plan: writing it again is safe, another's is refused."""

    path: Path
    earlier: Mapping[str, Any] = field(default_factory=dict)  # judges added later, expenses so far

    @classmethod
    def claim(cls, path: Path, plan: Plan) -> "RunFolder":
        """Make the folder, or take it over if it holds an earlier run of the same plan.

        Raises:
            UsageError: it holds something else.
            StoreError: it cannot be written.
        """
        held = claim(path, plan.key)
        own = {judge.name for judge in plan.judges}
        added = {name: spec for name, spec in held.get("judges", {}).items() if name not in own}
        return cls(path, {"judges": added, "expenses": held.get("expenses", [])})

    def write(
        self,
        plan: Plan,
        results: Sequence[CellResult],
        command: Sequence[str],
        *,
        ledger: Ledger | None = None,
        plots: bool = True,
    ) -> list[Row]:
        """Write everything; the leaderboard's rows are returned, the manifest comes last."""
        for result in results:
            self._transcripts(result)
        manifest = run_manifest(plan, results, command)
        manifest["judges"] |= self.earlier.get("judges", {})
        new = ledger.records() if ledger else []
        manifest["expenses"] = [*self.earlier.get("expenses", []), *new]
        run = LiveRun(self.path, manifest, by_cell(results))
        rows = leaderboard(run)
        if plots:
            self._plots(rows, results)
        write_leaderboard(self.path, rows)
        write_agreement(run)
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

    def _plots(self, rows: Sequence[Row], results: Sequence[CellResult]) -> None:
        from lox_bench.report.plots import plot_asr, plot_losses, plot_tradeoff

        folder = self.path / "plots"
        folder.mkdir(exist_ok=True)
        plot_asr(rows, folder / "asr.png")
        plot_tradeoff(rows, folder / "asr_vs_accuracy.png")
        plot_losses(_curves(results), folder / "loss.png")


def _curves(results: Sequence[CellResult]) -> dict[str, Path]:
    """Loss curves of all stages that trained, under the title of the model they made."""
    several = len({result.cell.seed for result in results}) > 1
    curves = {}
    for result in results:
        file = result.artifacts[0] / "loss.csv"
        if file.is_file():
            seed = f" seed {result.cell.seed}" if several else ""
            curves[f"{result.cell.title}{seed}"] = file
    return curves
