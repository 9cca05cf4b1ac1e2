"""The ``lox-bench`` command: wires the subcommands, turns expected failures into one line."""

import sys
from typing import Annotated

import typer

from lox_bench import __version__
from lox_bench.cli import (
    agreement,
    cache,
    calibrate,
    check,
    compare,
    diagnose,
    doctor,
    effective_rank,
    harden,
    judge,
    landscape,
    leaderboard,
    listing,
    report,
    run,
)
from lox_bench.cli.harmless import harmless
from lox_bench.errors import LoxBenchError

app = typer.Typer(
    name="lox-bench",
    help="Does a language model's safety survive fine-tuning, and does hardening it help?\n\n"
    "Start with: lox-bench run --models aligned,lox --attack gsm8k",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("run")(run.run)
app.command("judge")(judge.judge)
app.command("harden")(harden.harden)
app.command("diagnose")(diagnose.diagnose)
app.command("effective-rank")(effective_rank.effective_rank)
app.command("landscape")(landscape.landscape)
app.command("agreement")(agreement.agreement)
app.command("calibrate")(calibrate.calibrate)
app.command("report")(report.report)
app.command("leaderboard")(leaderboard.leaderboard)
app.command("compare")(compare.compare)
app.command("check")(check.check)
app.command("baseline")(check.baseline)
app.command("list")(listing.list_names)
app.command("doctor")(doctor.doctor)
app.add_typer(cache.app, name="cache")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"lox-bench {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    del version


def entry() -> None:
    """Run the command line; a user's mistake is one line and its exit code, never a traceback."""
    try:
        app()
    except LoxBenchError as error:
        if "--debug" in sys.argv:
            raise
        typer.echo(f"lox-bench: {harmless(str(error))}", err=True)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        typer.echo("lox-bench: interrupted; run the same command again to continue", err=True)
        raise SystemExit(130) from None
