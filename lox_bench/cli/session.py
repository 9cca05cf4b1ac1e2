"""Carry a plan out before the user's eyes: notices, progress, results, where the files are."""

import json as jsonlib
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from lox_bench.cli.progress import BarDisplay, LineDisplay, SilentDisplay
from lox_bench.cli.tables import leaderboard_table
from lox_bench.cli.writing import rich_table
from lox_bench.data import STANDIN
from lox_bench.plan import Plan
from lox_bench.report.published import published_table
from lox_bench.rows import Row
from lox_bench.runs import open_run
from lox_bench.store import Store, default_root


class Session:
    """One invocation of ``run``: how much to say, and in which form."""

    def __init__(self, *, quiet: bool, json: bool) -> None:
        """Remember the form of the output."""
        self._quiet = quiet or json
        self._json = json
        self._console = Console(stderr=True)

    def run(self, plan: Plan, out: Path | None) -> None:
        """Run ``plan`` and write its results to ``out`` (default: a folder named by the plan)."""
        from lox_bench.report.output import RunFolder

        folder = RunFolder.claim(out or Path("runs") / plan.name, plan)
        self._announce(plan)
        from lox_bench.pipeline import run_plan

        with self._display() as display:
            results = run_plan(plan, Store(default_root()), display)
        rows = folder.write(plan, results, command=sys.argv)
        if self._json:
            plain = [{key: _finite(value) for key, value in asdict(row).items()} for row in rows]
            sys.stdout.write(jsonlib.dumps(plain, indent=2, allow_nan=False) + "\n")
        elif not self._quiet:
            console = Console()
            console.print(leaderboard_table(rows))
            self._conclude(console, folder.path, rows)
            console.print(f"leaderboard  {folder.path / 'leaderboard.csv'}", soft_wrap=True)
            console.print(f"plots        {folder.path / 'plots'}", soft_wrap=True)
            console.print(f"provenance   {folder.path / 'manifest.json'}", soft_wrap=True)

    def _conclude(self, console: Console, path: Path, rows: Sequence[Row]) -> None:
        """Say what the numbers allow to say, and what others have published."""
        from lox_bench.compare import compare_runs
        from lox_bench.headline import headlines

        found = compare_runs([open_run(path)], metrics=("asr", "over_refusal"))
        for line in headlines(rows, found):
            console.print(line, markup=False, soft_wrap=True)
        published = published_table(rows)
        if published is not None:
            console.print(rich_table(published))

    def _announce(self, plan: Plan) -> None:
        for name, rows in plan.attack_data.items():
            if rows.label == STANDIN:
                self._console.print(
                    f"[bold yellow]attack data of {name}: STAND-IN[/] ({len(rows.rows)} word "
                    "problems that ship with lox-bench): the real data is out of reach. "
                    f"--data {name}=FILE.jsonl uses your copy, --strict-data forbids this.",
                    soft_wrap=True,
                )
            elif not self._quiet:
                self._console.print(
                    f"attack data of {name}: {rows.label} ({len(rows.rows)} rows)", soft_wrap=True
                )

    def _display(self) -> BarDisplay | LineDisplay | SilentDisplay:
        if self._quiet:
            return SilentDisplay()
        return BarDisplay(self._console) if self._console.is_terminal else LineDisplay()


def _finite(value: object) -> object:
    """JSON has no NaN: the value of a rate without a judged answer is null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
