"""``lox-bench report``: runs as one page to read, show and send, and what a paper takes of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lox_bench.cli.options import FilesJson, Quiet
from lox_bench.cli.where import RunNames, located, watched
from lox_bench.cli.within import within
from lox_bench.cli.written import Written
from lox_bench.errors import UsageError
from lox_bench.report.forms import Style, TableFormat

if TYPE_CHECKING:
    from lox_bench.report.merge import Board

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
Watched = Annotated[
    bool, typer.Option("--watch", help="Refresh the page until the run has finished.")
]
Every = Annotated[
    float, typer.Option(help="Seconds from look to look of --watch.", callback=within(0.5, 3600))
]
Figures = Annotated[
    Path | None, typer.Option(help="Write figures (PDF, SVG, captions.md) to this folder instead.")
]
Looks = Annotated[Style, typer.Option(help="What the figures are for: column width, type size.")]
Tables = Annotated[
    Path | None, typer.Option(help="Write every table to this folder instead of the page.")
]
Form = Annotated[TableFormat, typer.Option("--format", help="How tables are written.")]


def report(  # noqa: PLR0913 - one parameter an option
    names: RunNames,
    out: Out = None,
    title: Title = None,
    clip: Clip = None,
    watch: Watched = False,
    every: Every = 5.0,
    figures: Figures = None,
    style: Looks = Style.PAPER,
    tables: Tables = None,
    form: Form = TableFormat.MARKDOWN,
    quiet: Quiet = False,
    json: FilesJson = False,
) -> None:
    """Write one self-contained HTML page: leaderboard, figures, transcripts, cost, provenance.

    It opens from disk and loads nothing from the network; the answers of all runs are inside.

    Examples:
      lox-bench report runs/2026-11-25-aligned+lox-gsm8k

      lox-bench report runs/* --out all.html --title "LoX on small models"

      lox-bench report runs/long --clip 600     (long answers, small page)

      lox-bench report runs/mine --watch     (while it runs; its own page in the end)

      lox-bench report runs/mine --figures figures --style paper

      lox-bench report runs/mine --tables tables --format latex

    Exit codes: 0 done, 2 a folder is no finished run (with --watch: it stopped unfinished), or the
    file is somebody else's.
    """
    written = Written(quiet, json)
    runs = [watched(name) if watch else located(name) for name in names]
    if watch:
        _watch(runs, out, every, beside=figures or tables)
    from lox_bench.report.merge import read_boards

    boards = read_boards(runs)
    if figures is not None:
        _figures(boards, figures, style, written)
    if tables is not None:
        _tables(boards, tables, form, written)
    if out is not None or (figures is None and tables is None):
        _page(boards, out or _default(runs), title or _named(boards), clip, written)
    written.end()


def _default(runs: Sequence[Path]) -> Path:
    return (runs[0] if len(set(runs)) == 1 else Path()) / "report.html"


def _named(boards: "Sequence[Board]") -> str:
    return ", ".join(board.name for board in boards)


def _page(
    boards: "Sequence[Board]", file: Path, title: str, clip: int | None, written: Written
) -> None:
    from lox_bench.report.page import build_page
    from lox_bench.report.publish import write_page

    for board in boards:
        if board.run is None:
            raise UsageError(f"{board.name} is no run; `lox-bench leaderboard` renders CSV files")
    write_page(file, build_page(boards, title=title, clip=clip))
    size = file.stat().st_size / _MIB
    written.file(file, "report", f"{size:.1f} MiB, opens from disk")
    if size > _LARGE_MIB:
        written.say("        its answers are long; --clip 600 would make it smaller")


def _watch(runs: Sequence[Path], out: Path | None, every: float, *, beside: Path | None) -> None:
    """Refresh the page of a run until it has finished."""
    if len(runs) > 1 or beside is not None:
        raise UsageError("--watch takes one run, and makes its page only: leave the others out")
    from lox_bench.engine.store import Store, default_root
    from lox_bench.report.watch import Watch

    file = out or _default(runs)
    typer.echo(f"watching {runs[0]}: open {file} (Ctrl-C ends the watch, not the run)", err=True)
    store = Store(default_root())
    Watch(runs[0], file, store, every, lambda line: typer.echo(line, err=True)).until_done()


def _figures(boards: "Sequence[Board]", folder: Path, style: Style, written: Written) -> None:
    from lox_bench.report.paper import CAPTIONS, write_figures

    files = write_figures(boards, folder, style)
    if not files:
        raise UsageError("there is no rate to draw")
    for file in files:
        written.file(file, "figure")
    written.file(folder / CAPTIONS, "caption")


def _tables(boards: "Sequence[Board]", folder: Path, form: TableFormat, written: Written) -> None:
    from lox_bench.report.export import write_tables

    for file in write_tables(boards, folder, form):
        written.file(file, "table")
