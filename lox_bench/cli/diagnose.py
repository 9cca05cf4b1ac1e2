"""``lox-bench diagnose``: what alignment did to the weights, and what fine-tuning left of it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from lox_bench.cli import completion
from lox_bench.cli.making import executor_for, open_store
from lox_bench.cli.options import Debug, Json, MaxSteps, Out, Quiet
from lox_bench.cli.quiet import hush_libraries
from lox_bench.cli.within import within
from lox_bench.diagnostics.measures import SPECTRA, Settings
from lox_bench.errors import UsageError
from lox_bench.harmless import harmless
from lox_bench.ranges import MOST_RANK, MOST_SEED
from lox_bench.study.request import Request

if TYPE_CHECKING:
    from lox_bench.diagnostics.models import Models

Base = Annotated[str | None, typer.Option(help="The model before alignment: folder or hub id.")]
Align = Annotated[str | None, typer.Option(help="The model after alignment: folder or hub id.")]
Finetuned = Annotated[
    str | None, typer.Option(help="The aligned model after fine-tuning: adds R_ft and overlaps.")
]
Family = Annotated[
    str | None,
    typer.Option(
        help="Take (or make) a family's models instead of folders.",
        autocompletion=completion.families,
    ),
]
Attack = Annotated[
    str,
    typer.Option(
        help="With --family: the fine-tuning to look into, or none.",
        autocompletion=completion.attacks,
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        help="With --family: seed of alignment and attack.", callback=within(0, MOST_SEED)
    ),
]
Rank = Annotated[
    int,
    typer.Option(
        "--k", help="Singular directions that count as the top.", callback=within(1, MOST_RANK)
    ),
]
Alpha = Annotated[
    float,
    typer.Option(help="LoX step whose size and rounding are reported.", callback=within(-100, 100)),
]
Kind = Annotated[
    str,
    typer.Option(
        "--spectrum",
        help="full: all singular values; top: the first --top; auto: full where it takes seconds.",
    ),
]
Top = Annotated[
    int,
    typer.Option(
        help="Singular values kept where the spectrum is not whole.", callback=within(1, MOST_RANK)
    ),
]


def diagnose(  # noqa: PLR0913 - one parameter an option
    base: Base = None,
    aligned: Align = None,
    finetuned: Finetuned = None,
    family: Family = None,
    attack: Attack = "gsm8k",
    seed: Seed = 0,
    k: Rank = 6,
    alpha: Alpha = 1.25,
    spectrum: Kind = "auto",
    top: Top = 64,
    max_steps: MaxSteps = None,
    out: Out = None,
    quiet: Quiet = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Singular spectra, ranks, R_align and R_ft of a base, an aligned and a fine-tuned model.

    Two or three folders, or a family's models through the ordinary pipeline (from the cache, or
    made). Tensors are streamed: any size of model in the memory of its largest matrix.

    Examples:
      lox-bench diagnose --base ./base --aligned ./aligned --finetuned ./tuned --k 6

      lox-bench diagnose --family smollm2-135m --attack gsm8k --seed 0

    Writes matrices.csv, summary.csv, spectra.csv, spectra-*.png, heatmaps.png, manifest.json.
    See docs/diagnostics.md for what the measures mean.
    """
    if spectrum not in SPECTRA:
        raise UsageError(f"--spectrum must be one of {', '.join(SPECTRA)}, not {spectrum!r}")
    if not debug:
        hush_libraries()
    from lox_bench.diagnostics.models import models_of_family, models_of_folders

    if family is not None:
        if base or aligned or finetuned:
            raise UsageError("give either --family or folders (--base, --aligned), not both")
        request = Request(family=family, attack=attack, seeds=((seed, seed),), max_steps=max_steps)
        asked = models_of_family(request)
    elif base and aligned:
        asked = models_of_folders(base, aligned, finetuned)
    else:
        raise UsageError("diagnose needs --base and --aligned (two model folders), or --family")
    _run(asked, Settings(k, alpha, spectrum, top), out, quiet=quiet, json=json)


def _run(asked: "Models", settings: Settings, out: Path | None, *, quiet: bool, json: bool) -> None:
    from lox_bench.cli.diagnosis_tables import diagnosis_table
    from lox_bench.cli.jsonout import plain, print_json
    from lox_bench.cli.notices import announce_data
    from lox_bench.cli.progress import choose_display
    from lox_bench.cli.writing import rich_table
    from lox_bench.diagnostics.output import write_diagnosis
    from lox_bench.engine.graph import Graph
    from lox_bench.results.folder import claim, make

    question = asked.question(settings)
    key = question.key
    folder = out or Path("runs") / f"diagnose-{asked.title}-{key[:8]}"
    make(folder)
    claim(folder, key)
    console = Console(stderr=True)
    announce_data(asked.attack_data, console, quiet=quiet or json)
    with choose_display(console, quiet=quiet or json) as display:
        executor = executor_for(open_store(console), display)
        artifact = executor.run(Graph.of([question]))[question]
    means = write_diagnosis(folder, artifact, asked, settings, sys.argv)
    if json:
        print_json(plain(means))
    elif not quiet:
        console = Console()
        title = harmless(f"{asked.title}, k = {settings.k}")
        console.print(rich_table(diagnosis_table(means, title)))
        console.print(f"tables, pictures, provenance  {folder}", soft_wrap=True, markup=False)
