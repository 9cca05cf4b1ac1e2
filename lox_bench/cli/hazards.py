"""``lox-bench hazards``: a run's rates category by category."""

from pathlib import Path
from typing import Annotated

import typer

from lox_bench.cli.jsonout import plain, print_json
from lox_bench.cli.where import RunFolder
from lox_bench.cli.writing import Format, format_of, write, write_tables
from lox_bench.errors import UsageError

Form = Annotated[
    Format | None,
    typer.Option("--format", help="table, csv, markdown or latex; told by --out's name."),
]
Out = Annotated[Path | None, typer.Option(help="Write to this file instead of the terminal.")]
Json = Annotated[bool, typer.Option("--json", help="Print the rows as JSON, nothing else.")]


def hazards(run: RunFolder, form: Form = None, out: Out = None, json: Json = False) -> None:
    """Show where models give way: every rate by hazard, for prompt sets whose prompts have one.

    Examples:
      lox-bench hazards runs/mine

      lox-bench hazards runs/mine --out hazards.csv

    Exit codes: 0 done, 2 no finished run, or no prompt set of it names hazards.
    """
    from lox_bench.report.hazards import hazard_tables
    from lox_bench.results.hazards import hazard_rates
    from lox_bench.results.run import open_run
    from lox_bench.results.text_table import records_csv

    rates = hazard_rates(open_run(run))
    if not rates:
        raise UsageError(f"no prompt set of {run} says which hazard a prompt belongs to")
    if json:
        print_json(plain(rates))
        return
    asked = format_of(form, out)
    if asked is Format.CSV:
        write(records_csv(rates), out)
    else:
        write_tables(hazard_tables(rates), out, asked)
