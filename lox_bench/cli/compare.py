"""``lox-bench compare``: paired differences with intervals, tests and power."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lox_bench.cli import completion
from lox_bench.cli.jsonout import plain, print_json
from lox_bench.cli.where import RunFolders
from lox_bench.cli.writing import Format, format_of, write, write_tables
from lox_bench.errors import UsageError, did_you_mean


class Interval(StrEnum):
    """How intervals are made."""

    SCORE = "score"
    BOOTSTRAP = "bootstrap"


def compare(  # noqa: PLR0913 - one parameter an option
    runs: RunFolders,
    form: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="A table for the terminal, CSV, markdown or LaTeX; told by --out's suffix.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write to this file instead of the terminal.")
    ] = None,
    metric: Annotated[
        str,
        typer.Option(
            "--metric",
            "--metrics",
            help="Comma list of metrics: refusal_lost, asr, over_refusal, accuracy ...",
            autocompletion=completion.metrics,
        ),
    ] = "",
    interval: Annotated[
        Interval,
        typer.Option(help="Score interval (keeps its coverage near 0) or cluster bootstrap (BCa)."),
    ] = Interval.SCORE,
    judge_errors: Annotated[
        Path | None,
        typer.Option(
            help="CSV of `calibrate --out`: also show rates corrected for their judge's errors."
        ),
    ] = None,
    seeds: Annotated[
        bool, typer.Option("--seeds", help="Only the spread over seeds, not the differences.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print the differences as JSON, nothing else.")
    ] = False,
) -> None:
    """Compare models on the prompts they share: Δ, interval, p, detectable Δ.

    All pairs of models within each attack, and each model before and after it.
    Several runs are joined if prompts, template, judges and attack data are
    the same, and refused by name if not.

    Examples:
      lox-bench compare runs/2026-11-25-aligned+lox-gsm8k

      lox-bench compare runs/mine runs/theirs --metric refusal_lost,over_refusal

      lox-bench compare runs/mine --format csv --out differences.csv

      lox-bench compare runs/mine --seeds --format markdown

      lox-bench calibrate keyword --labels mine.csv --out errors.csv
      lox-bench compare runs/mine --judge-errors errors.csv
    """
    from lox_bench.compare.compare import compare_runs, seed_spreads
    from lox_bench.report.differences import difference_table, seed_table, spread_records
    from lox_bench.results.run import open_run
    from lox_bench.results.text_table import records_csv

    opened = [open_run(path) for path in runs]
    wanted = _metrics(metric, {row.metric for run in opened for row in run.rows})
    spreads = [item for item in seed_spreads(opened) if item.name.measure.metric in wanted]
    differences = [] if seeds else compare_runs(opened, metrics=wanted, method=interval.value)
    if json:
        print_json(plain(spread_records(spreads) if seeds else differences))
        return
    form = format_of(form, out)
    if form is Format.CSV:
        write(records_csv(spread_records(spreads) if seeds else differences), out)
        return
    tables = [] if seeds else [difference_table(differences)]
    if seeds or any(len(item.seeds) > 1 for item in spreads):
        tables.append(seed_table(spreads))
    if judge_errors is not None:
        from lox_bench.report.corrections import correction_table, read_judge_errors

        rows = [row for run in opened for row in run.rows if row.metric in wanted]
        tables.append(correction_table(rows, read_judge_errors(judge_errors)))
    write_tables(tables, out, form)


def _metrics(text: str, known: set[str]) -> list[str]:
    wanted = [name.strip() for name in text.split(",") if name.strip()] or sorted(known)
    for name in wanted:
        if name not in known:
            raise UsageError(
                f"no metric is called {name!r} in these runs{did_you_mean(name, known)}; they have "
                f"{', '.join(sorted(known))}"
            )
    return wanted
