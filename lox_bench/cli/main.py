"""The ``lox-bench`` command: wires the subcommands, turns expected failures into one line."""

import io
import sys
from typing import Annotated, NoReturn

import typer

from lox_bench import __version__
from lox_bench.cli import (
    agreement,
    cache,
    calibrate,
    check,
    compare,
    data,
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
from lox_bench.cli.signals import Stopped, stoppable
from lox_bench.errors import LoxBenchError, StoreError
from lox_bench.files import DISK_ERRORS
from lox_bench.harmless import harmless

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
app.add_typer(data.app, name="data")


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
    _show_what_is_unprintable()
    try:
        with stoppable():
            app()
    except Stopped as error:
        _fail(str(error), error.exit_code)
    except LoxBenchError as error:
        if "--debug" in sys.argv:
            raise
        _fail(harmless(str(error)), error.exit_code)
    except OSError as error:
        if error.errno not in DISK_ERRORS or "--debug" in sys.argv:
            raise
        _fail(harmless(_unwritable(error)), StoreError.exit_code)


def _unwritable(error: OSError) -> str:
    place = f" {error.filename}" if error.filename else ""
    return (
        f"cannot read or write{place}: {error.strerror}; mend that, or name another folder, then "
        "run the same command again"
    )


def _show_what_is_unprintable() -> None:
    """Where the terminal's encoding has no sign for a character, its code is written."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _fail(line: str, code: int) -> NoReturn:
    typer.echo(f"lox-bench: {line}", err=True)
    raise SystemExit(code) from None
