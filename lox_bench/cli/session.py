"""Carry a plan out before the user's eyes: notices, progress, results, where the files are."""

import json as jsonlib
import math
import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from lox_bench.cli.progress import BarDisplay, LineDisplay, SilentDisplay
from lox_bench.cli.tables import leaderboard_table
from lox_bench.cli.worst import forecast_line, worst_table
from lox_bench.data import STANDIN
from lox_bench.forecast import forecast
from lox_bench.plan import Plan
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
        store = Store(default_root())
        self._announce(plan, store)
        from lox_bench.adversary import play

        with self._display() as display:
            played = play(plan, store, display, folder.path)
        findings = played.findings
        rows = folder.write(played.plan, played.results, sys.argv, findings)
        if self._json:
            plain = [{key: _finite(value) for key, value in asdict(row).items()} for row in rows]
            sys.stdout.write(jsonlib.dumps(plain, indent=2, allow_nan=False) + "\n")
        elif not self._quiet:
            console = Console()
            console.print(leaderboard_table(rows))
            if findings is not None and findings.worst:
                console.print(worst_table(findings.worst))
            console.print(f"leaderboard  {folder.path / 'leaderboard.csv'}", soft_wrap=True)
            console.print(f"plots        {folder.path / 'plots'}", soft_wrap=True)
            console.print(f"provenance   {folder.path / 'manifest.json'}", soft_wrap=True)

    def _announce(self, plan: Plan, store: Store) -> None:
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
        if not self._quiet and plan.attacks:
            self._console.print(forecast_line(forecast(plan, store)), soft_wrap=True)

    def _display(self) -> BarDisplay | LineDisplay | SilentDisplay:
        if self._quiet:
            return SilentDisplay()
        return BarDisplay(self._console) if self._console.is_terminal else LineDisplay()


def _finite(value: object) -> object:
    """JSON has no NaN: the value of a rate without a judged answer is null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
