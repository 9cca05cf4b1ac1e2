"""Judge a finished run before the user's eyes: estimate, progress, the new table, what it took."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from lox_bench.cli.costs import Costs, completing
from lox_bench.cli.progress import choose_display
from lox_bench.cli.tables import leaderboard_table
from lox_bench.engine.store import Store, default_root
from lox_bench.judges.build import build_judge, pinned
from lox_bench.judges.kinds import JudgeSpec
from lox_bench.judges.prompted import PromptedJudge
from lox_bench.report.rejudge import Sheet, fill, save, sheets
from lox_bench.results.lock import sole_writer
from lox_bench.results.row import Row
from lox_bench.results.run import LEADERBOARD, open_run
from lox_bench.serving.pricing import Ledger
from lox_bench.types import Judge


class Rejudging:
    """One invocation of ``judge`` on one run."""

    def __init__(self, run: Path, *, quiet: bool, max_cost: float | None) -> None:
        """Remember the run and how much to say."""
        self._folder, self._quiet = run, quiet
        self._ledger = Ledger(max_cost)
        self._console = Console(stderr=True)
        self._costs = Costs(self._console, quiet=quiet)

    def judge(
        self, chosen: Sequence[JudgeSpec], *, only_unjudged: bool, replace: bool
    ) -> list[Row]:
        """Judge and write; the run's rows are returned.

        Raises:
            LoxBenchError: anything the user can mend, found before the first request.
        """
        store = Store(default_root())
        specs = [pinned(spec) for spec in chosen]
        open_run(self._folder)  # else a lock would be laid into what is no run
        with sole_writer(self._folder, wait=True):
            run = open_run(self._folder)
            work = [
                (spec, sheets(run, spec, only_unjudged=only_unjudged, replace=replace))
                for spec in specs
            ]
            judges = {
                spec.name: build_judge(
                    spec, ledger=self._ledger, root=store.root, afresh=only_unjudged
                )
                for spec in specs
            }
            for spec, found in work:
                self._foresee(spec, judges[spec.name], found)
            filled = {}
            with choose_display(self._console, quiet=self._quiet) as display:
                for spec, found in work:
                    with display.stage(f"judge by {spec.name}") as progress:
                        filled[spec] = fill(judges[spec.name], found, progress)
            rows = save(run, filled, self._ledger)
        if not self._quiet:
            console = Console()
            console.print(leaderboard_table(rows))
            console.print(
                f"leaderboard  {self._folder / LEADERBOARD}", soft_wrap=True, markup=False
            )
        return rows

    def settle(self) -> None:
        """Say what was taken.

        Raises:
            JudgeFailedError: a judge could not be asked about everything.
        """
        self._costs.settle(self._ledger, completing(self._ledger, self._folder))

    def _foresee(self, spec: JudgeSpec, judge: Judge, found: Sequence[Sheet]) -> None:
        lacking = [sheet.completions[i] for sheet in found for i in sheet.lacking]
        if isinstance(judge, PromptedJudge):
            sound = sum(item.defect is None for item in lacking)
            sizes = judge.outstanding(lacking)
            self._costs.foresee(spec, sizes, known=sound - len(sizes))
