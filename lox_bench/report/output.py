"""Write a run's folder: leaderboard, manifest, transcripts, verdicts, plots."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from lox_bench.backends.answers import spread
from lox_bench.codec import from_plain, write_records
from lox_bench.engine.store import default_root
from lox_bench.files import write_text
from lox_bench.report.agreement import write_agreement
from lox_bench.report.overview import overview, overview_rows
from lox_bench.report.publish import write_leaderboard
from lox_bench.results.folder import claim, make
from lox_bench.results.leaderboard import leaderboard
from lox_bench.results.lock import sole_writer
from lox_bench.results.plan import PLAN, save_plan
from lox_bench.results.record import Claim, ExpenseRecord, RunRecord, save_record
from lox_bench.results.row import Row, to_csv
from lox_bench.results.run import (
    VariantName,
    benchmark_file,
    completions_file,
    prompts_file,
    utility_file,
    verdicts_file,
)
from lox_bench.search import worst_case
from lox_bench.search.play import Findings
from lox_bench.serving.pricing import Ledger
from lox_bench.study.live import LiveRun, by_variant
from lox_bench.study.measure import Draw, VariantResult
from lox_bench.study.plan import plan_of
from lox_bench.study.record import run_record
from lox_bench.study.study import Study

CHOICE_ROWS = "attack_choice.csv"  # a leaderboard of the prompts a worst point was chosen on


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A results folder of one study: writing it again is safe, another's is refused."""

    path: Path
    earlier: Claim | None = None  # what an earlier run of the study left: judges, expenses

    @classmethod
    @contextmanager
    def claimed(cls, path: Path, study: Study) -> "Iterator[RunFolder]":
        """Make the folder, or take it over if it holds an earlier run of the same study.

        Nobody else writes there meanwhile.

        Raises:
            UsageError: it holds something else, or another process writes there.
            StoreError: it cannot be written.
        """
        make(path)
        with sole_writer(path):
            earlier = claim(path, study.key)
            save_plan(path, plan_of(study, default_root()))
            yield cls(path, earlier)

    def write(
        self,
        study: Study,
        results: Sequence[VariantResult],
        command: Sequence[str],
        findings: Findings | None = None,
        *,
        ledger: Ledger | None = None,
        plots: bool = True,
    ) -> list[Row]:
        """Write everything; the leaderboard's rows are returned, the manifest comes last."""
        self._prompts(study)
        for result in results:
            self._transcripts(result)
        record = self._with_earlier(run_record(study, results, command), ledger)
        run = LiveRun(self.path, record, by_variant(results))
        rows = leaderboard(run)
        if plots:
            self._plots(run, rows, findings)
        if findings is not None:
            write_text(self.path / worst_case.WORST_CASE, worst_case.to_csv(findings.worst))
            write_text(self.path / CHOICE_ROWS, to_csv(findings.rows))
        write_leaderboard(self.path, rows)
        write_agreement(run)
        save_record(self.path, record)
        (self.path / PLAN).unlink(missing_ok=True)
        return rows

    def _with_earlier(self, record: RunRecord, ledger: Ledger | None) -> RunRecord:
        """Keep the judges that were added to an earlier run of the study, and what was paid."""
        earlier = self.earlier or Claim(record.plan)
        added = {name: earlier.judges[name] for name in earlier.judges if name not in record.judges}
        return replace(
            record,
            judges={**record.judges, **added},
            added_judges=tuple(added),
            expenses=(*earlier.expenses, *expenses_of(ledger)),
        )

    def _prompts(self, study: Study) -> None:
        """What was asked, so that a finished run is read without any prompt set at hand."""
        (self.path / "prompts").mkdir(exist_ok=True)
        for task in study.tasks:
            asked = spread(task.prompts.prompts, study.limit)
            write_records(prompts_file(self.path, task.spec.name), asked)

    def _transcripts(self, result: VariantResult) -> None:
        name = result.variant.name
        for folder in ("completions", "verdicts"):
            (self.path / folder).mkdir(exist_ok=True)
        said: tuple[VariantResult | Draw, ...] = (result, *result.draws)
        for number, held in enumerate(said):
            for task, completions in held.completions.items():
                write_records(completions_file(self.path, name, task, number), completions)
            for (task, judge), verdicts in held.verdicts.items():
                write_records(verdicts_file(self.path, name, task, judge, number), verdicts)
        for title, records in result.utility.items():
            write_records(utility_file(self.path, name, title), records)
        for title, samples in result.benchmarks.items():
            write_records(benchmark_file(self.path, name, title), samples)

    def _plots(self, run: LiveRun, rows: Sequence[Row], findings: Findings | None) -> None:
        from lox_bench.report.curves import plot_steps, plot_strength
        from lox_bench.report.plots import plot_losses, plot_safety, plot_tradeoff

        folder = self.path / "plots"
        folder.mkdir(exist_ok=True)
        shown = overview(run.record.variants, findings)
        plot_safety(overview_rows(rows, shown), folder / "safety.png")
        plot_tradeoff(overview_rows(rows, shown), folder / "safety_vs_accuracy.png")
        plot_losses(_curves(list(run.results.values()), shown), folder / "loss.png")
        plot_steps(run.record.variants, rows, folder / "safety_vs_steps.png")
        if findings is not None:
            for attack in dict.fromkeys(case.attack for case in findings.worst):
                plot_strength(attack, findings, rows, folder / f"strength-{attack}.png")


def expenses_of(ledger: Ledger | None) -> list[ExpenseRecord]:
    """What judges took in this command; nothing where no account was kept."""
    held = ledger.records() if ledger is not None else []
    return [from_plain(ExpenseRecord, account, where="the ledger") for account in held]


def _curves(results: Sequence[VariantResult], shown: Collection[VariantName]) -> dict[str, Path]:
    """Loss curves of all variants that trained, under their titles."""
    several = len({result.variant.seed for result in results}) > 1
    curves = {}
    for result in results:
        variant = result.variant
        if result.curve is not None and variant.name in shown:
            seed = f" seed {variant.seed}" if several else ""
            curves[f"{variant.title}{seed}"] = result.curve
    return curves
