"""Several LoRA adapters over one base as a single one: what an engine serves, or what is merged.

The sum of changes ``B1 @ A1 + B2 @ A2`` is ``[B1 B2] @ [A1; A2]``: nothing is computed anew, so
that the adapter is exact. Scalings (``alpha / r``, patterns, rsLoRA) are multiplied into B:
engines read but some of what PEFT can say of them.
"""

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor

from lox_bench.errors import SourceError
from lox_bench.types import Progress
from lox_bench.weights.adapter import PREFIX, open_adapter
from lox_bench.weights.adapter_file import write_lora
from lox_bench.weights.pairs import HEADS
from lox_bench.weights.select import Settings
from lox_bench.weights.transform import harden_checkpoint


def stack_adapters(base: Path, adapters: Sequence[Path], out: Path) -> int:
    """Write the sum of adapters over ``base`` into the empty folder ``out``; its highest rank.

    Raises:
        SourceError: one holds more than LoRA factors of linear layers below the head (embeddings,
            modules trained in full, DoRA); the message says what.
    """
    downs: dict[str, list[Tensor]] = {}
    ups: dict[str, list[Tensor]] = {}
    with ExitStack() as stack:
        for adapter in adapters:
            for name, down, up in open_adapter(base, adapter).scaled(stack):
                if name.endswith(HEADS):
                    raise SourceError(f"it changes the head, {name!r}")
                downs.setdefault(name, []).append(down)
                ups.setdefault(name, []).append(up)
        tensors = [
            entry
            for name in downs
            for entry in (
                (f"{_module(name)}.lora_A.weight", torch.cat(downs[name]).contiguous()),
                (f"{_module(name)}.lora_B.weight", torch.cat(ups[name], dim=1).contiguous()),
            )
        ]
    ranks = {
        name.removesuffix(".weight"): sum(down.shape[0] for down in held)
        for name, held in downs.items()
    }
    write_lora(out, tensors, ranks)
    return max(ranks.values())


def merge_adapter(base: Path, adapter: Path, out: Path, progress: Progress) -> int:
    """Write ``base`` with one adapter merged into it, rounded once, into the empty folder ``out``.

    Returns:
        How many tensors the adapter changes.

    Raises:
        LoxBenchError: see ``transform.harden_checkpoint``.
    """
    nothing = Settings(rank=1, alpha=0.0)  # an extrapolation by nothing
    return len(harden_checkpoint(base, adapter, out, nothing, progress))


def merge_adapters(base: Path, adapters: Sequence[Path], out: Path, progress: Progress) -> Path:
    """Write ``base`` with adapters merged into it, one after the other, each rounded once.

    Args:
        base: a checkpoint.
        adapters: at least one, in the order they came about.
        out: an empty folder, in which two checkpoints lie at most.
        progress: is told mebibytes.

    Returns:
        Where the last one lies.

    Raises:
        LoxBenchError: see ``merge_adapter``.
    """
    before = base
    for number, adapter in enumerate(adapters):
        place = out / str(number)
        place.mkdir()
        merge_adapter(before, adapter, place, progress)
        if before != base:
            shutil.rmtree(before)
        before = place
    return before


def _module(name: str) -> str:
    return f"{PREFIX}{name.removesuffix('.weight')}"
