"""Several LoRA adapters over one base as a single one: what an engine serves, or what is merged.

The sum of changes ``B1 @ A1 + B2 @ A2`` is ``[B1 B2] @ [A1; A2]``: nothing is computed anew, so
that the adapter is exact. Scalings (``alpha / r``, patterns, rsLoRA) are multiplied into B:
engines read but some of what PEFT can say of them.
"""

import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lox_bench.errors import SourceError
from lox_bench.files import write_json
from lox_bench.sources.layout import ADAPTER_CONFIG
from lox_bench.types import Progress
from lox_bench.weights.adapter import ADAPTER_WEIGHTS, PREFIX, open_adapter
from lox_bench.weights.pairs import HEADS
from lox_bench.weights.select import Settings
from lox_bench.weights.shards import ShardWriter
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
        planned = [(name, held.dtype, tuple(held.shape)) for name, held in tensors]
        with ShardWriter(out / ADAPTER_WEIGHTS, planned) as file:
            for name, tensor in tensors:
                file.write(name, tensor)
    ranks = {name: sum(down.shape[0] for down in held) for name, held in downs.items()}
    write_json(out / ADAPTER_CONFIG, _config(ranks))
    return max(ranks.values())


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
        LoxBenchError: see ``transform.harden_checkpoint``.
    """
    settings = Settings(rank=1, alpha=0.0)  # an extrapolation by nothing
    before = base
    for number, adapter in enumerate(adapters):
        place = out / str(number)
        place.mkdir()
        harden_checkpoint(before, adapter, place, settings, progress)
        if before != base:
            shutil.rmtree(before)
        before = place
    return before


def _module(name: str) -> str:
    return f"{PREFIX}{name.removesuffix('.weight')}"


def _config(ranks: Mapping[str, int]) -> dict[str, Any]:
    """PEFT's configuration: alpha equals r everywhere, so that nothing is scaled once more."""
    modules = {name.removesuffix(".weight"): rank for name, rank in ranks.items()}
    most = max(modules.values())
    own = {name: rank for name, rank in modules.items() if rank != most}
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": most,
        "lora_alpha": most,
        "rank_pattern": own,
        "alpha_pattern": own,
        "target_modules": sorted(modules),
        "lora_dropout": 0.0,
        "bias": "none",
        "inference_mode": True,
    }
