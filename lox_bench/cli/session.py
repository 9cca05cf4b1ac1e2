"""Carry a plan out before the user's eyes: notices, progress, results, where the files are."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from lox_bench.cli.agreement import summary
from lox_bench.cli.jsonout import plain, print_json
from lox_bench.cli.notices import announce_data
from lox_bench.cli.progress import choose_display
from lox_bench.cli.tables import leaderboard_table
from lox_bench.cli.worst import forecast_line, worst_table
from lox_bench.cli.writing import rich_table
from lox_bench.forecast import forecast
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
        store = Store(default_root())
        announce_data(plan.attack_data, self._console, quiet=self._quiet)
        if plan.attacks and not self._quiet:
            self._console.print(forecast_line(forecast(plan, store)), soft_wrap=True)
        from lox_bench.adversary import play

        with choose_display(self._console, quiet=self._quiet) as display:
            played = play(plan, store, display, folder.path)
        findings = played.findings
        rows = folder.write(played.plan, played.results, sys.argv, findings)
        if self._json:
            print_json(plain(rows))
        elif not self._quiet:
            console = Console()
            console.print(leaderboard_table(rows))
            if findings is not None and findings.worst:
                console.print(worst_table(findings.worst))
            self._conclude(console, folder.path, rows)
            console.print(f"leaderboard  {folder.path / 'leaderboard.csv'}", soft_wrap=True)
            if (folder.path / "agreement").is_dir():  # with two judges or more
                console.print(f"agreement    {folder.path / 'agreement'}", soft_wrap=True)
                console.print(f"             {summary(folder.path)}", soft_wrap=True)
            console.print(f"plots        {folder.path / 'plots'}", soft_wrap=True)
            console.print(f"provenance   {folder.path / 'manifest.json'}", soft_wrap=True)
            console.print(f"as a page    lox-bench report {folder.path}", soft_wrap=True)

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
