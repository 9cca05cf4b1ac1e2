"""``lox-bench reproduce``: a publication's tables, run as far as this machine can."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from lox_bench.cli import completion, options
from lox_bench.cli.asked import overridden
from lox_bench.cli.jsonout import plain, print_json
from lox_bench.cli.making import Where, Workers
from lox_bench.cli.quiet import hush_libraries
from lox_bench.errors import UsageError
from lox_bench.grammar import split_list
from lox_bench.study.file import StudyFile
from lox_bench.study.reproduction import Part, Reproduction, load_reproduction

if TYPE_CHECKING:
    from lox_bench.study.obstacles import Obstacle

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A publication: see list reproductions.",
        autocompletion=completion.reproductions,
    ),
]
Quick = Annotated[
    bool,
    typer.Option("--quick", help="On the default family, with stand-ins for data out of reach."),
]
Parts = Annotated[
    str, typer.Option("--part", "--parts", help="Comma list of its parts. [default: all]")
]
Anyway = Annotated[
    bool,
    typer.Option("--anyway", help="Try what memory, disk or access seem to forbid as well."),
]
Family = Annotated[
    str,
    typer.Option(
        help="Another family than the parts name: a name, or FILE.toml.",
        autocompletion=completion.families,
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print the numbers side by side as JSON (what is in the way, "
                 "with --dry-run), nothing else."),
]  # fmt: skip
Out = Annotated[
    Path | None, typer.Option(help="Folder of the runs and the side-by-side. [default: runs/NAME]")
]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part, and the study of it that can be run (``None``: nothing of it can)."""

    part: Part
    study: StudyFile | None
    obstacles: "tuple[Obstacle, ...]"


def reproduce(  # noqa: PLR0913 - one parameter an option
    context: typer.Context,
    name: Name,
    quick: Quick = False,
    parts: Parts = "",
    family: Family = "",
    seed: options.Seed = "0",
    limit: options.Limit = None,
    max_steps: options.MaxSteps = None,
    data: options.Data = None,
    anyway: Anyway = False,
    executor: options.Executor = Where.LOCAL,
    workers: options.Workers = None,
    address: options.Address = "",
    store: options.StoreUrl = "",
    out: Out = None,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    json: Json = False,
    debug: options.Debug = False,
) -> None:
    """Run a publication's tables again, and set the numbers beside the published ones.

    First it says what cannot be run here, and why: data that only you have, gated weights, a judge
    without a key, memory, disk. Then it runs the rest, part by part, from the cache where it can,
    and writes side_by_side.csv and reproduction.md.

    Examples:
      lox-bench reproduce lox-paper --dry-run

      lox-bench reproduce lox-paper --quick

      lox-bench reproduce lox-paper --part main --data pure-bad=mine.jsonl

    Exit codes: 0 done, 2 a mistake in the request, or nothing of it can be run here.
    """
    wanted = load_reproduction(name)
    if not debug:
        hush_libraries()
    console = Console(stderr=True)
    said = {
        key: value
        for key, value in (
            ("family", family),
            ("seed", seed if _given(context, "seed") else ""),
            ("limit", limit),
            ("max_steps", max_steps),
            ("data", data),
        )
        if value
    }
    chosen = wanted.chosen(tuple(split_list(parts)) if parts else ())
    asked = [(part, overridden(part.asked(quick=quick), said)) for part in chosen]
    pieces = [_piece(part, study, console, anyway=anyway) for part, study in asked]
    if dry_run:
        if json:
            print_json([_plain(piece) for piece in pieces])
        return
    crew = Workers(executor, workers, address, store, hushed=not debug)
    place = out or Path("runs") / _folder(wanted, quick=quick)
    _carry_out(wanted, pieces, place, crew, quiet=quiet, json=json)


def _given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _folder(wanted: Reproduction, *, quick: bool) -> str:
    return f"{wanted.name}-quick" if quick else wanted.name


def _piece(part: Part, study: StudyFile, console: Console, *, anyway: bool) -> _Piece:
    """Say what is in the way of a part, and how long the rest may take."""
    from lox_bench.cli.making import open_store
    from lox_bench.cli.worst import forecast_line
    from lox_bench.judges.verdicts import Bench
    from lox_bench.search.forecast import forecast
    from lox_bench.study.obstacles import Room, runnable
    from lox_bench.study.study import make_study

    store = open_store(console)
    room = Room(float("inf"), float("inf")) if anyway else Room.here(store.root)
    found = runnable(study, Bench(store.root), room)
    console.print(f"{part.name}: {part.title}", style="bold", markup=False, soft_wrap=True)
    for obstacle in found.obstacles:
        line = f"  cannot be run here: {obstacle.what}: {obstacle.why}"
        console.print(line, style="yellow", markup=False, soft_wrap=True)
    if found.study is None:
        console.print("  nothing of it is left", style="yellow")
        return _Piece(part, None, found.obstacles)
    for request in found.study.requests():
        line = forecast_line(forecast(make_study(request), store))
        console.print(f"  {request.family}: {line}", markup=False, soft_wrap=True)
    return _Piece(part, found.study, found.obstacles)


def _plain(piece: _Piece) -> dict[str, object]:
    return {
        "part": piece.part.name,
        "title": piece.part.title,
        "can_be_run": piece.study is not None,
        "obstacles": plain(piece.obstacles),
    }


def _carry_out(
    wanted: Reproduction, pieces: Sequence[_Piece], folder: Path, crew: Workers, *,
    quiet: bool, json: bool,
) -> None:  # fmt: skip
    from lox_bench.cli.reproduced import write_side_by_side
    from lox_bench.cli.studies import carry_out

    if all(piece.study is None for piece in pieces):
        raise UsageError(
            f"nothing of {wanted.name} can be run here (see above); --quick runs it on the default "
            "family, --anyway tries all the same"
        )
    done: dict[str, Path] = {}
    for piece in pieces:
        if piece.study is not None:
            place = folder / piece.part.name
            study = replace(piece.study, name=piece.part.name)
            carry_out(study, place, crew, quiet=quiet or json, json=False)
            done[piece.part.name] = place
    write_side_by_side(wanted, done, folder, quiet=quiet, json=json)
