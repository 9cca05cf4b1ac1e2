"""``lox-bench report``: finished runs as one page to read, show and send."""

from pathlib import Path
from typing import Annotated

import typer

from lox_bench.cli.where import RunFolders
from lox_bench.cli.within import within
from lox_bench.errors import UsageError

_MIB = 1 << 20
_LARGE_MIB = 5

Out = Annotated[
    Path | None,
    typer.Option(help="The file (default: report.html in the run; here, if runs are several)."),
]
Title = Annotated[str | None, typer.Option(help="Heading of the page (default: the runs' names).")]
Clip = Annotated[
    int | None,
    typer.Option(
        help="Keep N characters of each answer (the cut is marked).", callback=within(1, 10**9)
    ),
]


def report(runs: RunFolders, out: Out = None, title: Title = None, clip: Clip = None) -> None:
    """Write one self-contained HTML page: leaderboard, figures, transcripts, cost, provenance.

    It opens from disk and loads nothing from the network; the answers of all runs are inside.

    Examples:
      lox-bench report runs/2026-11-25-aligned+lox-gsm8k

      lox-bench report runs/* --out all.html --title "LoX on small models"

      lox-bench report runs/long --clip 600     (long answers, small page)

    Exit codes: 0 done, 2 a folder is no finished run, or the file is somebody else's.
    """
    from lox_bench.report.merge import read_boards
    from lox_bench.report.page import build_page
    from lox_bench.report.publish import write_page

    boards = read_boards(runs)
    for board in boards:
        if board.run is None:
            raise UsageError(f"{board.name} is no run; `lox-bench leaderboard` renders CSV files")
    file = out or (runs[0] if len(boards) == 1 else Path()) / "report.html"
    name = title or ", ".join(board.name for board in boards)
    write_page(file, build_page(boards, title=name, clip=clip))
    size = file.stat().st_size / _MIB
    typer.echo(f"report  {file} ({size:.1f} MiB, opens from disk)")
    if size > _LARGE_MIB:
        typer.echo("        its answers are long; --clip 600 would make it smaller")
