"""``lox-bench harden``: LoX for a checkpoint of any size, without a benchmark around it."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lox_bench.cli.quiet import hush_libraries
from lox_bench.cli.within import within
from lox_bench.errors import SourceError
from lox_bench.sources.uri import PathSource, parse_source
from lox_bench.weights.select import Settings, parse_ranks


class Format(StrEnum):
    """What to write."""

    FULL = "full"
    DELTA = "delta"


Base = Annotated[
    str, typer.Option(help="Model before alignment: a folder in hub layout, or a hub id.")
]
Align = Annotated[
    str, typer.Option(help="Model after alignment: the same, or a PEFT LoRA adapter over the base.")
]
Out = Annotated[Path, typer.Option(help="Folder to write; it appears when it is complete.")]
Ranks = Annotated[
    list[str] | None,
    typer.Option(
        "--k",
        help="Directions kept: a number, full, auto, energy:0.5, gap; PATTERN=K for some tensors "
        "(repeatable, the last match counts). Default 6.",
    ),
]
Alpha = Annotated[
    float,
    typer.Option(help="How far to go; 0 gives the aligned model.", callback=within(-100, 100)),
]
Include = Annotated[
    list[str] | None, typer.Option(help="Harden only tensors matching this glob (repeatable).")
]
Exclude = Annotated[
    list[str] | None, typer.Option(help="Leave tensors matching this glob as aligned (repeatable).")
]
OutFormat = Annotated[
    Format, typer.Option(help="full: a checkpoint. delta: the step alone, as a PEFT LoRA adapter.")
]
Dtype = Annotated[
    str | None,
    typer.Option(help="Type of the result: bfloat16, float16, float32 (default: the aligned's)."),
]
Device = Annotated[str, typer.Option(help="Where to compute: cpu, cuda, cuda:1.")]
Precision = Annotated[str, typer.Option(help="Of the arithmetic: float32 or float64.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing model in --out.")]
Table = Annotated[
    bool, typer.Option("--table", help="One line a tensor instead of one a kind of tensor.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print lox.json, nothing else.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks and library warnings.")]


def harden(  # noqa: PLR0913 - one parameter an option
    base: Base,
    aligned: Align,
    out: Out,
    k: Ranks = None,
    alpha: Alpha = 1.25,
    include: Include = None,
    exclude: Exclude = None,
    format: OutFormat = Format.FULL,  # noqa: A002 - the option's name
    dtype: Dtype = None,
    device: Device = "cpu",
    precision: Precision = "float32",
    force: Force = False,
    table: Table = False,
    quiet: Quiet = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write W_aligned + alpha * Proj_k(W_aligned - W_base), tensor by tensor.

    Memory is bounded by the largest tensor, not by the model. Killed halfway, it leaves nothing
    under --out; start it again.

    Examples:
      lox-bench harden --base llama-2-7b --aligned llama-2-7b-dpo --out llama-2-7b-lox

      lox-bench harden --base B --aligned A --out L --k 6 --k "*.mlp.*=2" --exclude "*embed*"

      lox-bench harden --base B --aligned lora-adapter --out lox-adapter --format delta

      lox-bench harden --base B --aligned A --out L --k auto --alpha 0.8 --dtype float32

    Exit codes: 0 done, 2 a mistake in the request (one line says which).
    """
    rank, overrides = parse_ranks(k or [], 6)
    settings = Settings(
        rank,
        alpha,
        overrides,
        tuple(include or ()),
        tuple(exclude or ()),
        dtype,
        precision,
        device,
    )
    for uri in (base, aligned):
        _require_folder(uri)
    if not debug:
        hush_libraries()
    from lox_bench.cli.hardening import Hardening  # late: it loads what computes
    from lox_bench.weights.api import Output

    output = Output(format.value, force=force)
    Hardening(quiet=quiet, json=json, table=table).run(base, aligned, out, settings, output)


def _require_folder(uri: str) -> None:
    source = parse_source(uri)
    if isinstance(source, PathSource) and not source.path.is_dir():
        raise SourceError(f"{uri} is no folder; a model in hub layout was wanted")
