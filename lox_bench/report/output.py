"""Write a run's folder: leaderboard, manifest, transcripts, verdicts, plots."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lox_bench.errors import StoreError, UsageError
from lox_bench.judging.pricing import Ledger
from lox_bench.pipeline import CellResult
from lox_bench.plan import Plan
from lox_bench.records import write_records
from lox_bench.report.leaderboard import leaderboard
from lox_bench.report.live import LiveRun, by_cell
from lox_bench.report.manifest import run_manifest
from lox_bench.rows import Row, to_csv
from lox_bench.runs import LEADERBOARD, completions_file, utility_file, verdicts_file
from lox_bench.store import MANIFEST, write_json, write_text


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
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"--out {path} cannot be made: {error.strerror}") from error
        if not os.access(path, os.W_OK):
            raise StoreError(f"--out {path} cannot be written")
        held = _held(path)
        if held.get("plan") != plan.key and any(path.iterdir()):
            whose = "another run" if held else "files that are no run"
            raise UsageError(f"--out {path} holds {whose}; nothing was overwritten, name another")
        own = {judge.name for judge in plan.judges}
        added = {name: spec for name, spec in held.get("judges", {}).items() if name not in own}
        earlier = {"judges": added, "expenses": held.get("expenses", [])}
        write_json(path / MANIFEST, {"plan": plan.key, "finished": None, **earlier})
        return cls(path, earlier)

    def write(
        self,
        plan: Plan,
        results: Sequence[CellResult],
        command: Sequence[str],
        ledger: Ledger | None = None,
    ) -> list[Row]:
        """Write everything; the leaderboard's rows are returned, the manifest comes last."""
        for result in results:
            self._transcripts(result)
        manifest = run_manifest(plan, results, command)
        manifest["judges"] |= self.earlier.get("judges", {})
        new = ledger.records() if ledger else []
        manifest["expenses"] = [*self.earlier.get("expenses", []), *new]
        rows = leaderboard(LiveRun(self.path, manifest, by_cell(results)))
        self._plots(rows, results)
        write_text(self.path / LEADERBOARD, to_csv(rows))
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


def _held(path: Path) -> Mapping[str, Any]:
    """The manifest of the run in a folder; empty if there is none."""
    try:
        held = json.loads((path / MANIFEST).read_text())
    except (OSError, ValueError):
        return {}
    return held if isinstance(held, dict) and "plan" in held else {}
