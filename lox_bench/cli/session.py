"""Carry a plan out before the user's eyes: notices, progress, results, where the files are."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from lox_bench.cli.costs import Costs
from lox_bench.cli.progress import pick_display
from lox_bench.cli.tables import leaderboard_table, rows_as_json
from lox_bench.data import STANDIN
from lox_bench.judging.build import build_judge
from lox_bench.judging.pricing import Ledger
from lox_bench.plan import Plan
from lox_bench.rows import Row
from lox_bench.store import Store, default_root


class Session:
    """One invocation of ``run``: how much to say, and in which form."""

    def __init__(self, *, quiet: bool, json: bool, max_cost: float | None = None) -> None:
        """Remember the form of the output, and what judges may cost."""
        self._quiet = quiet or json
        self._ledger = Ledger(max_cost)
        self._json = json
        self._console = Console(stderr=True)

    def run(self, plan: Plan, out: Path | None) -> None:
        """Run ``plan`` and write its results to ``out`` (default: a folder named by the plan).

        Raises:
            JudgeFailedError: all is written, but a judge could not be asked about everything.
        """
        from lox_bench.report.output import RunFolder

        store, ledger = Store(default_root()), self._ledger
        judges = {
            spec.name: build_judge(spec, ledger=ledger, root=store.root) for spec in plan.judges
        }
        folder = RunFolder.claim(out or Path("runs") / plan.name, plan)
        self._announce(plan)
        from lox_bench.pipeline import run_plan

        with pick_display(self._console, quiet=self._quiet) as display:
            results = run_plan(plan, store, display, judges)
        rows = folder.write(plan, results, sys.argv, ledger)
        self._show(rows, folder.path)
        Costs(self._console, quiet=self._quiet).settle(ledger, folder.path)

    def _show(self, rows: Sequence[Row], folder: Path) -> None:
        if self._json:
            sys.stdout.write(rows_as_json(rows))
        elif not self._quiet:
            console = Console()
            console.print(leaderboard_table(rows))
            console.print(f"leaderboard  {folder / 'leaderboard.csv'}", soft_wrap=True)
            console.print(f"plots        {folder / 'plots'}", soft_wrap=True)
            console.print(f"provenance   {folder / 'manifest.json'}", soft_wrap=True)

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
        Costs(self._console, quiet=self._quiet).foresee_run(plan)
