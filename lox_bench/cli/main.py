"""The ``lox-bench`` command: wires the subcommands, turns expected failures into one line."""

import io
import os
import sys
from collections.abc import Callable, Mapping
from typing import Annotated, NoReturn

import typer

from lox_bench import __version__
from lox_bench.cli import (
    agreement,
    cache,
    calibrate,
    card,
    check,
    compare,
    data,
    diagnose,
    doctor,
    effective_rank,
    harden,
    hazards,
    importing,
    init,
    judge,
    landscape,
    leaderboard,
    listing,
    report,
    reproduce,
    run,
    runs,
)
from lox_bench.cli.completion import mend_bash
from lox_bench.cli.groups import GROUPED, Grouped
from lox_bench.cli.help_page import ShownGroup
from lox_bench.cli.once import Once
from lox_bench.cli.signals import Stopped, stoppable
from lox_bench.errors import LoxBenchError, StoreError
from lox_bench.files import DISK_ERRORS
from lox_bench.harmless import harmless

app = typer.Typer(
    name="lox-bench",
    cls=ShownGroup,
    help="Does a language model's safety survive fine-tuning, and does hardening it help?\n\n"
    "Start with: lox-bench run --models aligned,lox --attack gsm8k",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
COMMANDS: Mapping[str, Callable[..., None]] = {
    "run": run.run,
    "reproduce": reproduce.reproduce,
    "judge": judge.judge,
    "harden": harden.harden,
    "diagnose": diagnose.diagnose,
    "effective-rank": effective_rank.effective_rank,
    "landscape": landscape.landscape,
    "hazards": hazards.hazards,
    "agreement": agreement.agreement,
    "calibrate": calibrate.calibrate,
    "report": report.report,
    "leaderboard": leaderboard.leaderboard,
    "compare": compare.compare,
    "check": check.check,
    "baseline": check.baseline,
    "init": init.init,
    "import": importing.import_results,
    "export": card.export,
    "card": card.card,
    "list": listing.list_names,
    "doctor": doctor.doctor,
}
for _name, _command in COMMANDS.items():
    app.command(_name, cls=Grouped if _name in GROUPED else Once)(_command)
app.add_typer(cache.app, name="cache")
app.add_typer(data.app, name="data")
app.add_typer(runs.app, name="runs")


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
    mend_bash(os.environ)
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
