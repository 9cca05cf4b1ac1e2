"""Carry a study out before the user's eyes: notices, progress, results, where the files are."""

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console

from lox_bench.backends.served import Served, asked_at
from lox_bench.cli.agreement import summary
from lox_bench.cli.costs import Costs, completing
from lox_bench.cli.defended import (
    decision_lines,
    decision_table,
    forecast_plain,
    forecast_text,
)
from lox_bench.cli.dry_run import as_plain, graph_table
from lox_bench.cli.jsonout import plain, print_json
from lox_bench.cli.log_file import LOG, LoggedConsole, LoggedDisplay, logged
from lox_bench.cli.making import Workers, crew_for, open_store
from lox_bench.cli.next_steps import next_steps
from lox_bench.cli.notices import (
    announce_back_ends,
    announce_cuts,
    announce_data,
    announce_overlaps,
    announce_templates,
)
from lox_bench.cli.progress import choose_display
from lox_bench.cli.tables import leaderboard_table
from lox_bench.cli.worst import forecast_line, worst_table
from lox_bench.cli.writing import rich_table
from lox_bench.engine.local import KeepWeights
from lox_bench.engine.store import Store
from lox_bench.errors import JudgeFailedError
from lox_bench.judges.verdicts import Bench
from lox_bench.report.published import published_table
from lox_bench.results.metrics import HARM, OVER_REFUSAL
from lox_bench.results.row import Row
from lox_bench.results.run import open_run
from lox_bench.search.defence_csv import DEFENCE_SEARCH
from lox_bench.search.defence_forecast import defence_forecasts
from lox_bench.search.forecast import forecast
from lox_bench.serving.pricing import Ledger
from lox_bench.study.study import Study
from lox_bench.utility.scores import FLEXIBLE

if TYPE_CHECKING:
    from lox_bench.report.output import RunFolder
    from lox_bench.search.play import Played

_FILES: Final = {"plots": "plots", "provenance": "manifest.json", "log": LOG}


class Session:
    """One invocation of ``run``: how much to say, in which form, and which weights to keep."""

    def __init__(
        self,
        *,
        quiet: bool,
        json: bool,
        max_cost: float | None = None,
        keep: KeepWeights = KeepWeights.DEAR,
        workers: Workers = Workers(),  # noqa: B008 - frozen
    ) -> None:
        """Remember the form of the output, what judges may cost, and who makes stages."""
        self._quiet = quiet or json
        self._max_cost, self._spent = max_cost, 0.0
        self._json = json
        self._keep = keep
        self._console = LoggedConsole(stderr=True)
        self._workers = replace(workers, notice=self._notice)

    def _notice(self, line: str) -> None:
        self._console.print(line, style="yellow", markup=False, soft_wrap=True)

    def foresee(self, studies: Sequence[Study]) -> None:
        """Show the stages of studies, and what making them would take; make nothing."""
        from lox_bench.engine.forecast import planned
        from lox_bench.study.measure import graph_of

        store = open_store(self._console, self._workers.store)
        graphs = [planned(graph_of(study), store) for study in studies]
        ahead = [item for study in studies for item in defence_forecasts(study, store, self._keep)]
        if self._json:
            stages = [as_plain(item, self._keep) for stages in graphs for item in stages]
            print_json([*stages, *map(forecast_plain, ahead)])
            return
        for held in graphs:
            Console().print(rich_table(graph_table(held, self._keep)))
        for item in ahead:
            Console().print(forecast_text(item), markup=False, soft_wrap=True)

    def run(self, studies: Sequence[Study], folders: Callable[[], Sequence[Path]]) -> None:
        """Run studies one after the other and write the results of each to its folder.

        ``folders`` chooses them, once all that can be wrong has been looked for.

        Raises:
            JudgeFailedError: all is written, but a judge could not be asked about everything.
        """
        from lox_bench.report.output import RunFolder

        store = open_store(self._console, self._workers.store)
        benches = [Bench(store.root, Ledger(self._max_cost)) for _ in studies]
        for study, bench in zip(studies, benches, strict=True):
            for judge in study.judges:
                bench.judge(judge)  # whatever is wrong with a judge is said before work starts
            _require_askable(study, bench.ledger)
        rows, failed = list[Row](), list[JudgeFailedError]()
        with ExitStack() as stack:
            claimed = [
                stack.enter_context(RunFolder.claimed(*pair))
                for pair in zip(folders(), studies, strict=True)
            ]
            for study, bench, folder in zip(studies, benches, claimed, strict=True):
                try:
                    with logged(folder.path):
                        self._run(study, folder, store, bench, rows)
                except JudgeFailedError as error:  # the others can still be asked
                    failed.append(error)
        if self._json:
            print_json(plain(rows))
        if failed:
            raise failed[0]

    def _run(
        self, study: Study, folder: "RunFolder", store: Store, bench: Bench, rows: list[Row]
    ) -> None:
        """Run one study; its rows join ``rows``."""
        from lox_bench.search.defence import carry_out
        from lox_bench.study.measure import measure

        ledger = bench.ledger
        if self._max_cost is not None:
            ledger.max_cost = max(0.0, self._max_cost - self._spent)
        announce_data(study.attack_data, self._console, quiet=self._quiet)
        announce_templates(study.variants, self._console)
        announce_overlaps(study.tasks, self._console)
        announce_back_ends(study, self._console, quiet=self._quiet)
        if study.attacks and not self._quiet:
            self._console.print(forecast_line(forecast(study, store)), soft_wrap=True)
            for item in defence_forecasts(study, store, self._keep):
                self._console.print(forecast_text(item), markup=False, soft_wrap=True)
        costs = Costs(self._console, quiet=self._quiet)
        costs.foresee_run(study)
        with (
            choose_display(self._console, quiet=self._quiet) as display,
            crew_for(store, LoggedDisplay(display), self._workers, self._keep, bench) as executor,
        ):
            played = carry_out(study, lambda part: measure(part, executor), display, folder.path)
        made = folder.write(played.study, played.results, sys.argv, played.findings, ledger=ledger)
        rows += made
        self._spent += ledger.spent
        announce_cuts(open_run(folder.path).record, self._console)
        self._show(made, played, folder.path)
        costs.settle(ledger, completing(ledger, folder.path))

    def _show(self, rows: Sequence[Row], played: "Played", folder: Path) -> None:
        if not self._quiet:
            console = Console()
            if played.study.defence is not None:
                for decision in played.decisions:
                    console.print(rich_table(decision_table(decision, played.study.defence)))
            console.print(leaderboard_table(rows))
            if played.findings is not None and played.findings.worst:
                console.print(rich_table(worst_table(played.findings.worst)))
            for line in decision_lines(played.decisions):
                console.print(line, markup=False, soft_wrap=True)
            self._conclude(console, folder, rows)
            self._where(console, folder)

    def _where(self, console: Console, folder: Path) -> None:
        """Say where the results are, and what could be done next."""
        from lox_bench.gate.reference import reference_names

        held: list[tuple[str, object]] = [("leaderboard", folder / "leaderboard.csv")]
        if (folder / DEFENCE_SEARCH).is_file():
            held.append(("all points", folder / DEFENCE_SEARCH))
        if (folder / "agreement").is_dir():  # with two judges or more
            held += [("agreement", folder / "agreement"), ("", summary(folder))]
        held += [(name, folder / file) for name, file in _FILES.items()]
        steps = next_steps(open_run(folder).record, folder, reference_names())
        lines = [f"{name:12} {what}" for name, what in held]
        lines += ["next", *(f"  {command}\n      {what}" for what, command in steps)]
        for line in lines:
            console.print(line, soft_wrap=True, markup=False, highlight=False)

    def _conclude(self, console: Console, path: Path, rows: Sequence[Row]) -> None:
        """Say what the numbers allow to say, and what others have published."""
        from lox_bench.compare.compare import compare_runs
        from lox_bench.compare.headline import headlines

        found = compare_runs([open_run(path)], metrics=(*HARM, OVER_REFUSAL, FLEXIBLE))
        for line in headlines(rows, found):
            console.print(line, markup=False, soft_wrap=True)
        published = published_table(rows)
        if published is not None:
            console.print(rich_table(published))


def _require_askable(study: Study, ledger: Ledger) -> None:
    """What is wrong with a served model's key, address or prices is said before work starts too."""
    for variant in study.variants:
        if isinstance(variant.start, Served):
            from lox_bench.serving.client import ServedModel

            ServedModel(asked_at(variant.start, study.answering.served.manner), ledger)
