"""Write a LoRA adapter in PEFT's form, from factors that need no scaling any more."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from lox_bench.files import write_json
from lox_bench.sources.layout import ADAPTER_CONFIG
from lox_bench.weights.adapter import ADAPTER_WEIGHTS
from lox_bench.weights.shards import ShardWriter


def write_lora(
    out: Path,
    tensors: Sequence[tuple[str, Tensor]],
    ranks: Mapping[str, int],
    more: Mapping[str, Any] | None = None,
) -> None:
    """Write ``adapter_model.safetensors`` and ``adapter_config.json`` into ``out``.

    Args:
        out: a folder.
        tensors: factors by their names in the file.
        ranks: of each module, by its name in the model; alpha equals r everywhere, so that PEFT
            scales nothing.
        more: further entries of the configuration.
    """
    planned = [(name, held.dtype, tuple(held.shape)) for name, held in tensors]
    with ShardWriter(out / ADAPTER_WEIGHTS, planned) as file:
        for name, tensor in tensors:
            file.write(name, tensor)
    most = max(ranks.values())
    own = {name: rank for name, rank in ranks.items() if rank != most}
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": most,
        "lora_alpha": most,
        "rank_pattern": own,
        "alpha_pattern": own,
        "target_modules": sorted(ranks),
        "lora_dropout": 0.0,
        "bias": "none",
        "inference_mode": True,
    }
    write_json(out / ADAPTER_CONFIG, {**config, **(more or {})})
