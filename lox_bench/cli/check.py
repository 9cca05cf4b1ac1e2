"""``lox-bench check`` and ``lox-bench baseline``: the regression gate and its references."""

import os
from pathlib import Path
from typing import Annotated

import typer

from lox_bench.cli.completion import references
from lox_bench.cli.jsonout import print_json
from lox_bench.cli.options import FilesJson, Quiet
from lox_bench.cli.where import RunFolder
from lox_bench.cli.writing import Format, write_tables
from lox_bench.cli.written import Written
from lox_bench.codec import to_plain
from lox_bench.errors import StoreError, UsageError

_GITHUB = "GITHUB_STEP_SUMMARY"

Against = Annotated[
    str,
    typer.Option(
        help="Reference: results/NAME.csv, or the NAME of a packaged one (see list references).",
        autocompletion=references,
    ),
]
Bounds = Annotated[
    Path | None, typer.Option(help="TOML of bounds (default: 0.10 for each metric, at 95 %).")
]
Model = Annotated[
    list[str] | None,
    typer.Option(help="MINE=THEIRS: hold this model of the run against that of the reference."),
]
LowCoverage = Annotated[
    bool, typer.Option("--allow-low-coverage", help="Accept rows with under 95 % judged answers.")
]
Junit = Annotated[Path | None, typer.Option(help="Write JUnit XML to this file.")]
Summary = Annotated[
    Path | None,
    typer.Option(help=f"Append a markdown summary to this file (default: ${_GITHUB}, if set)."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the report as JSON, nothing else.")]


def check(  # noqa: PLR0913 - one parameter an option
    run: RunFolder,
    against: Against,
    bounds: Bounds = None,
    model: Model = None,
    allow_low_coverage: LowCoverage = False,
    junit: Junit = None,
    summary: Summary = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print nothing: the exit code says it.")
    ] = False,
    json: Json = False,
) -> None:
    """Hold a run against a reference, to see whether a new method costs safety.

    Passes only if every row is shown to be worse by less than the tolerance;
    fails only if one is shown to be worse by more. What retraining changes
    from seed to seed counts in both. Rows with other data, template or judge
    are refused.

    Examples:
      lox-bench check runs/mine --against smollm2-135m

      lox-bench check runs/mine --against results/ours.csv --bounds mine.toml

      lox-bench check runs/mine --against smollm2-135m --model mine=lox

    Exit codes: 0 pass, 1 regressed, 3 inconclusive, 2 a mistake (one line).
    """
    from lox_bench.gate.bounds import load_bounds
    from lox_bench.gate.check import EXIT_CODES
    from lox_bench.gate.check import check as hold
    from lox_bench.gate.output import report_table, write_junit
    from lox_bench.gate.reference import load_reference
    from lox_bench.results.run import open_run
    from lox_bench.results.text_table import markdown

    report = hold(
        open_run(run),
        load_reference(against),
        load_bounds(bounds),
        models=_models(model or []),
        allow_low_coverage=allow_low_coverage,
    )
    table = report_table(report)
    if json:
        print_json({**to_plain(report), "verdict": report.verdict})
    elif not quiet:
        write_tables([table], None, Format.TABLE)
    try:
        if junit is not None:
            write_junit(report, junit)
        file = summary or os.environ.get(_GITHUB)
        if file:
            with Path(file).open("a", encoding="utf-8") as stream:
                stream.write(f"{markdown(table)}\n")
    except OSError as error:
        raise StoreError(f"{error.filename} cannot be written ({error.strerror})") from error
    raise typer.Exit(EXIT_CODES[report.verdict])


def baseline(
    run: RunFolder,
    name: Annotated[str, typer.Option(help="Name of the reference.")],
    folder: Annotated[Path, typer.Option("--dir", help="Where references are kept.")] = Path(
        "results"
    ),
    force: Annotated[bool, typer.Option("--force", help="Replace a reference.")] = False,
    quiet: Quiet = False,
    json: FilesJson = False,
) -> None:
    """Write a run as a reference: DIR/NAME.csv and DIR/NAME.outcomes.csv.

    The second file holds a character per answer and no text; with it `check`
    compares prompt by prompt, which needs far fewer prompts. Commit both.

    Examples:
      lox-bench baseline runs/2026-11-25-aligned+lox-gsm8k --name ours
    """
    from lox_bench.gate.reference import write_reference
    from lox_bench.results.run import open_run

    written = Written(quiet, json)
    for file in write_reference(open_run(run), name, folder, force=force):
        written.file(file)
    written.end()


def _models(items: list[str]) -> dict[str, str]:
    models = {}
    for item in items:
        mine, equals, theirs = item.rpartition("=")
        if not equals or not mine or not theirs:
            raise UsageError(f"--model wants MINE=THEIRS, not {item!r}")
        models[mine] = theirs
    return models
