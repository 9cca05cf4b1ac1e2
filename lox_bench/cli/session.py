"""Carry a plan out before the user's eyes: notices, progress, results, where the files are."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from lox_bench.cli.agreement import summary
from lox_bench.cli.costs import Costs, completing
from lox_bench.cli.jsonout import plain, print_json
from lox_bench.cli.notices import announce_data
from lox_bench.cli.progress import choose_display
from lox_bench.cli.tables import leaderboard_table
from lox_bench.cli.worst import forecast_line, worst_table
from lox_bench.cli.writing import rich_table
from lox_bench.engine.store import Store, default_root
from lox_bench.judges.build import build_judge
from lox_bench.judges.pricing import Ledger
from lox_bench.report.published import published_table
from lox_bench.results.row import Row
from lox_bench.results.run import open_run
from lox_bench.study.forecast import forecast
from lox_bench.study.study import Study

if TYPE_CHECKING:
    from lox_bench.search.play import Findings


class Session:
    """One invocation of ``run``: how much to say, and in which form."""

    def __init__(self, *, quiet: bool, json: bool, max_cost: float | None = None) -> None:
        """Remember the form of the output, and what judges may cost."""
        self._quiet = quiet or json
        self._ledger = Ledger(max_cost)
        self._json = json
        self._console = Console(stderr=True)

    def run(self, plan: Study, out: Path | None) -> None:
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
        announce_data(plan.attack_data, self._console, quiet=self._quiet)
        if plan.attacks and not self._quiet:
            self._console.print(forecast_line(forecast(plan, store)), soft_wrap=True)
        from lox_bench.search.play import play
        from lox_bench.study.measure import measure

        costs = Costs(self._console, quiet=self._quiet)
        costs.foresee_run(plan)
        with choose_display(self._console, quiet=self._quiet) as display:
            played = play(
                plan, lambda part: measure(part, store, display, judges), display, folder.path
            )
        rows = folder.write(played.plan, played.results, sys.argv, played.findings, ledger=ledger)
        self._show(rows, played.findings, folder.path)
        costs.settle(ledger, completing(ledger, folder.path))

    def _show(self, rows: Sequence[Row], findings: "Findings | None", folder: Path) -> None:
        if self._json:
            print_json(plain(rows))
        elif not self._quiet:
            console = Console()
            console.print(leaderboard_table(rows))
            if findings is not None and findings.worst:
                console.print(worst_table(findings.worst))
            self._conclude(console, folder, rows)
            console.print(f"leaderboard  {folder / 'leaderboard.csv'}", soft_wrap=True)
            if (folder / "agreement").is_dir():  # with two judges or more
                console.print(f"agreement    {folder / 'agreement'}", soft_wrap=True)
                console.print(f"             {summary(folder)}", soft_wrap=True)
            console.print(f"plots        {folder / 'plots'}", soft_wrap=True)
            console.print(f"provenance   {folder / 'manifest.json'}", soft_wrap=True)
            console.print(f"as a page    lox-bench report {folder}", soft_wrap=True)

    def _conclude(self, console: Console, path: Path, rows: Sequence[Row]) -> None:
        """Say what the numbers allow to say, and what others have published."""
        from lox_bench.compare.compare import compare_runs
        from lox_bench.compare.headline import headlines

        found = compare_runs([open_run(path)], metrics=("asr", "over_refusal"))
        for line in headlines(rows, found):
            console.print(line, markup=False, soft_wrap=True)
        published = published_table(rows)
        if published is not None:
            console.print(rich_table(published))
