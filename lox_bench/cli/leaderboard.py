"""``lox-bench leaderboard``: many runs, one leaderboard."""

from pathlib import Path
from typing import Annotated

import typer

from lox_bench.cli.jsonout import plain, print_json
from lox_bench.cli.options import Json, Quiet
from lox_bench.cli.where import Sources
from lox_bench.cli.written import Written
from lox_bench.errors import DataError

Out = Annotated[Path, typer.Option(help="Folder for leaderboard.csv, .md and .html.")]
Title = Annotated[str, typer.Option(help="Heading of the page.")]


def leaderboard(
    sources: Sources,
    out: Out = Path("leaderboard"),
    title: Title = "Leaderboard",
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Merge runs into one leaderboard: CSV, GitHub markdown and a page that sorts and filters.

    Of numbers that measure the same thing the newest is kept: same family, model and its key,
    attack, task, judge, metric, seed and prompts. Every row says which run it came from. Folders
    that are no finished run are named and passed over.

    Examples:
      lox-bench leaderboard runs/*

      lox-bench leaderboard results/smollm2-135m.csv --out site --title "Reference results"

      lox-bench leaderboard leaderboard/leaderboard.csv runs/new     (add a run to a merged one)

    Exit codes: 0 done, 2 nothing to merge, a broken file, or a folder that must not be written.
    """
    from lox_bench.compare.matching import mixed_back_ends
    from lox_bench.report.merge import read_boards
    from lox_bench.report.publish import publish

    boards = read_boards(_usable(sources))
    kept = publish(boards, out, title=title)
    held = sum(len(board.entries) for board in boards)
    mixed = mixed_back_ends([entry.row for board in boards for entry in board.entries])
    if json:
        print_json(
            [
                {**row, "source": e.source}
                for row, e in zip(plain(e.row for e in kept), kept, strict=True)
            ]
        )
        return
    written = Written(quiet)
    if mixed:
        written.say(mixed)
    written.say(
        f"{len(kept)} rows of {len(boards)} source{'s' * (len(boards) != 1)}; "
        f"{held - len(kept)} others superseded"
    )
    for suffix in ("csv", "md", "html"):
        written.file(out / f"leaderboard.{suffix}", suffix)


def _usable(paths: list[Path]) -> list[Path]:
    """The files, and those folders that hold a finished run; the others are named."""
    from lox_bench.results.run import open_run

    usable, reason = [], None
    for path in paths:
        try:
            if path.is_dir():
                open_run(path)
        except DataError as error:
            reason = error
            typer.echo(f"passed over: {error}", err=True)
        else:
            usable.append(path)
    if not usable and reason is not None:
        raise DataError(f"none of the {len(paths)} folders is a finished run")
    return usable
