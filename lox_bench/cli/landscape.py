"""``lox-bench landscape``: safety around a model in weight space."""

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from lox_bench.cli import completion
from lox_bench.cli.asked import parse_data
from lox_bench.cli.jsonout import plain, print_json
from lox_bench.cli.making import executor_for, open_store
from lox_bench.cli.notices import announce_data
from lox_bench.cli.options import (
    Data,
    Debug,
    Family,
    Json,
    Judges,
    Limit,
    MaxSteps,
    Out,
    Quiet,
    Split,
)
from lox_bench.cli.progress import choose_display
from lox_bench.cli.quiet import hush_libraries
from lox_bench.cli.within import within
from lox_bench.cli.writing import rich_table
from lox_bench.errors import UsageError
from lox_bench.ranges import MOST_SEED
from lox_bench.results.metrics import title_of
from lox_bench.results.text_table import TextTable
from lox_bench.study.request import Request

if TYPE_CHECKING:
    from lox_bench.diagnostics.landscape import Basin
    from lox_bench.diagnostics.plane import Axis, Plane

_RANDOM_RANGE, _RANGE = "-0.5,0.5", "-0.5,1.5"
_MOST_POINTS, _FURTHEST = 1001, 1000.0
_LINE, _GRID = "11", "5x5"

Model = Annotated[
    str,
    typer.Option(
        help="The model in the center, as in run --models.", autocompletion=completion.models
    ),
]
AxisX = Annotated[
    str,
    typer.Option(
        "--x",
        help="Where the axis leads: a model (lox, base, NAME=PATH), an attack (gsm8k), or random, "
        "random(seed=1,norm=filter|tensor).",
        autocompletion=completion.axes,
    ),
]
AxisY = Annotated[
    str | None,
    typer.Option("--y", help="A second axis; without it, a curve.", autocompletion=completion.axes),
]
RangeX = Annotated[
    str | None, typer.Option("--x-range", help="From,to in steps; 1 is the model it leads to.")
]
RangeY = Annotated[str | None, typer.Option("--y-range", help="As --x-range.")]
Grid = Annotated[str | None, typer.Option(help="Points: 11 for a curve, 7x5 (x by y) for a plane.")]
Directions = Annotated[
    int,
    typer.Option(help="With --x random and no --y: how many directions.", callback=within(1, 1000)),
]
Seed = Annotated[
    int, typer.Option(help="Seed of alignment and attack.", callback=within(0, MOST_SEED))
]


def landscape(  # noqa: PLR0913 - one parameter an option
    model: Model = "aligned",
    x: AxisX = "lox",
    y: AxisY = None,
    x_range: RangeX = None,
    y_range: RangeY = None,
    grid: Grid = None,
    directions: Directions = 1,
    family: Family = "smollm2-135m",
    judges: Judges = "keyword",
    seed: Seed = 0,
    limit: Limit = None,
    max_steps: MaxSteps = None,
    split: Split = "eval",
    data: Data = None,
    out: Out = None,
    quiet: Quiet = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Safety along one or two directions in weight space, and the mean safety margin around.

    The plane of arXiv 2506.15606 is --x lox --y gsm8k: towards the hardened model, and where
    fine-tuning leads (made orthogonal to x). With --x random it is the safety basin of arXiv
    2405.17374, its mean margin being VISAGE. Coordinates count steps: x = 1 is the model itself
    that x leads to; a random step is as long as the weights. Each point is a model of the
    ordinary pipeline, made, asked and deleted: a killed landscape continues where it was.

    Examples:
      lox-bench landscape --x lox --y gsm8k --grid 7x7 --limit 40

      lox-bench landscape --model aligned --x random --directions 3 --x-range=-0.3,0.3 --grid 11

    Writes landscape.csv, basin.csv, a picture for each judge, and the leaderboard, answers and
    verdicts that `run` writes.
    """
    axes = _axes(x, y, x_range, y_range, grid)
    request = Request(
        family=family,
        judges=judges,
        seeds=((seed, seed),),
        limit=limit,
        max_steps=max_steps,
        split=split,
        data=parse_data(data or []),
    )
    if not debug:
        hush_libraries()
    from lox_bench.diagnostics.plane import lay_plane

    _run(lay_plane(request, model, axes, directions), out, quiet=quiet, json=json)


def _run(plane: "Plane", out: Path | None, *, quiet: bool, json: bool) -> None:
    from lox_bench.diagnostics.probe_output import write_landscape
    from lox_bench.diagnostics.stage import gram_of
    from lox_bench.diagnostics.sweep import run_sweep
    from lox_bench.engine.graph import Graph
    from lox_bench.report.output import RunFolder
    from lox_bench.results.place import RUNS, place

    study = plane.study
    words = f"landscape-{study.family.name}"
    console = Console(stderr=True)
    announce_data(study.attack_data, console, quiet=quiet or json)
    with (
        RunFolder.claimed(out or place(RUNS, words, {"": study.key}), study) as folder,
        choose_display(console, quiet=quiet or json) as display,
    ):
        executor = executor_for(open_store(console), display)
        title = f"{len(plane.points)} points around {plane.center.label}"
        results = run_sweep(study, executor, title)
        outcome = executor.run(Graph.of(plane.geometries))
        grams = [gram_of(outcome.facts(geometry)) for geometry in plane.geometries]
        points, basins = write_landscape(folder, plane, results, grams, sys.argv)
    if json:
        print_json({"points": plain(points), "basins": plain(basins)})
    elif not quiet:
        Console().print(rich_table(_table(basins)))
        Console().print(
            f"tables, pictures, provenance  {folder.path}", soft_wrap=True, markup=False
        )


def _axes(
    x: str, y: str | None, x_range: str | None, y_range: str | None, grid: str | None
) -> "list[Axis]":
    from lox_bench.diagnostics.plane import Axis, spaced

    if y is None and y_range is not None:
        raise UsageError("--y-range needs --y")
    counts = _counts(grid or (_LINE if y is None else _GRID), axes=1 if y is None else 2)
    asked = [("--x-range", x, x_range), *([("--y-range", y, y_range)] if y is not None else [])]
    axes = []
    for (option, text, bounds), count in zip(asked, counts, strict=True):
        default = _RANDOM_RANGE if Axis(text, ()).is_random else _RANGE
        axes.append(Axis(text, spaced(*_bounds(option, bounds or default), count)))
    return axes


def _counts(grid: str, axes: int) -> list[int]:
    parts = grid.split("x")
    if len(parts) != axes or not all(part.isdecimal() for part in parts):
        wanted = "a number such as 11" if axes == 1 else "two numbers such as 7x5 (x by y)"
        raise UsageError(f"--grid wants {wanted}, not {grid!r}")
    counts = [int(part[:9]) for part in parts]
    if not all(1 <= count <= _MOST_POINTS for count in counts):
        raise UsageError(
            f"--grid wants 1 to {_MOST_POINTS} points along an axis, not {grid[:40]!r}"
        )
    return counts


def _bounds(option: str, text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"{option} wants two numbers such as -0.5,1.5, not {text!r}") from None
    if not (low < high and max(-low, high) <= _FURTHEST):
        raise UsageError(
            f"{option} wants two numbers, the smaller first, within {_FURTHEST:g} of 0, "
            f"not {text!r}"
        )
    return low, high


def _table(basins: "list[Basin]") -> TextTable:
    rows = tuple(
        (
            found.judge,
            title_of(found.metric),
            _share(found.margin, found.margin_low, found.margin_high),
            _share(found.visage, found.visage_low, found.visage_high),
            str(found.points),
            str(found.broken),
            str(found.n),
        )
        for found in basins
    )
    head = ("judge", "rate", "all points", "VISAGE", "points", "broken", "n")
    note = "with 95 % bootstrap intervals over prompts; broken: mostly no answers"
    return TextTable("Mean safety margin (1 - rate)", head, rows, note, numbers=2)


def _share(value: float, low: float, high: float) -> str:
    return f"{value:.3f} ({low:.3f}-{high:.3f})" if math.isfinite(value) else "-"
