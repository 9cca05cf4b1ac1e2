"""Options on what computes: the device, the arithmetic, the batch.

The device is the machine's affair and no part of a study: it is recorded, as the other facts of
the environment are, and does not enter keys. Type and batch size are parts of the back end, and
with it of every answer's key, since both may change which token comes out first.
"""

import os
from typing import Annotated

import typer

from lox_bench.cli.within import within
from lox_bench.errors import UsageError
from lox_bench.study.request import DTYPES

Device = Annotated[
    str,
    typer.Option(
        metavar="DEVICE",
        help="What computes: cpu, cuda, cuda:1, mps (default: a GPU if there is one; "
        "$LOX_BENCH_DEVICE).",
    ),
]
Dtype = Annotated[
    str,
    typer.Option(
        metavar="TYPE",
        help=f"Arithmetic of answers: {', '.join(DTYPES)}. auto: bfloat16 where it is fast.",
    ),
]
BatchSize = Annotated[
    int, typer.Option(help="Prompts that are answered together.", callback=within(1, 65536))
]


def use(device: str) -> None:
    """Let everything compute on a device; an empty text leaves the choice as it is.

    Raises:
        UsageError: there is none of this name here.
    """
    asked = device or os.environ.get("LOX_BENCH_DEVICE", "")
    if not asked:
        return
    import torch

    try:
        torch.empty(1, device=torch.device(asked))
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).split("\n", 1)[0]
        if "device type" in reason:  # torch lists its own two dozen
            reason = "cpu, cuda, cuda:N, mps or xpu was wanted"
        raise UsageError(
            f"--device {asked}: nothing can be computed there ({reason[:160]})"
        ) from error
    os.environ["LOX_BENCH_DEVICE"] = asked
