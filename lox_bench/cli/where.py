"""The argument RUN, the same for every command: a folder, a run's name, or ``latest``."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from lox_bench.cli.completion import runs as complete
from lox_bench.results.place import LATEST, RUNS, find_run, held_in, run_folders, running
from lox_bench.results.record import Claim

_HELP: Final = f"folder, name in {RUNS}/, or {LATEST}"


def located(text: str) -> Path:
    """The path that a user means by RUN; which run is the latest is said.

    Raises:
        UsageError: ``latest`` is asked, and there is no finished run.
    """
    found = find_run(text)
    if text == LATEST:
        typer.echo(f"{LATEST}: {found}", err=True)
        for folder in _newer(found):
            typer.echo(f"        ({folder} is newer, and has not finished)", err=True)
    return found


def _newer(found: Path) -> Iterator[Path]:
    """Runs that began after this one was finished."""
    changed = (found / "manifest.json").stat().st_mtime_ns
    for folder in run_folders():
        claimed = isinstance(held_in(folder), Claim)
        if claimed and (folder / "manifest.json").stat().st_mtime_ns > changed:
            yield folder


def _argument(metavar: str, text: str) -> Any:
    return typer.Argument(
        metavar=metavar,
        help=text,
        show_default=False,
        parser=located,
        autocompletion=complete,
    )


def watched(text: str) -> Path:
    """As ``located``; but ``latest`` is the run that goes on, if one does."""
    return running() if text == LATEST else find_run(text)


RunFolder = Annotated[Path, _argument("RUN", f"A finished run: {_HELP}.")]
RunNames = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...",
        help=f"Finished runs: {_HELP}; with --watch, latest is the one that goes on.",
        show_default=False,
        autocompletion=complete,
    ),
]
RunFolders = Annotated[list[Path], _argument("RUN...", f"Finished runs: {_HELP}.")]
Sources = Annotated[
    list[Path], _argument("RUN|CSV...", f"Runs ({_HELP}), or leaderboard CSV files.")
]
