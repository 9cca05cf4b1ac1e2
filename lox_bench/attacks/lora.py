"""LoRA attacks (Hu et al., arXiv 2106.09685) by PEFT: adapters are trained, then merged.

What is measured is the merged model, as whoever ships such a model would serve it.
"""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, set_seed

from lox_bench.attacks.job import SftJob
from lox_bench.codec import read_json
from lox_bench.devices import compute_dtype, pick_device
from lox_bench.errors import UsageError
from lox_bench.files import write_json
from lox_bench.sources.layout import ADAPTER_CONFIG
from lox_bench.sources.loading import load_model, load_quantised
from lox_bench.training.spec import NO_QUANT, SftSpec

_PREFIX = "base_model.model."
_JOINED, _ALL = "+", "all-linear"
_CARD = "README.md"  # that PEFT writes beside adapters


def adapted(
    model: PreTrainedModel,
    train: SftSpec,
    seed: int,
    frozen: Callable[[str], bool] | None,
) -> Any:
    """The model with fresh adapters (B = 0), everything else frozen.

    Adapters of a module whose weight a method freezes stay as they are. Matrices A are drawn from
    ``seed``.

    Raises:
        UsageError: a target names no linear module of the model.
    """
    from peft import get_peft_model  # late: it loads much

    set_seed(seed)
    try:
        wrapped = get_peft_model(model, _config(train))
    except ValueError as error:
        linear = sorted({name.rpartition(".")[2] for name, _ in model.named_modules()} - {""})
        raise UsageError(
            f"lora_targets={train.lora_targets}: PEFT finds nothing to adapt ({error}); modules of "
            f"this model are {', '.join(linear)}"
        ) from None
    for name, parameter in wrapped.named_parameters():
        if frozen is not None and parameter.requires_grad and frozen(weight_name(name)):
            parameter.requires_grad_(False)
    return wrapped


def _config(train: SftSpec) -> Any:
    from peft import LoraConfig

    targets = train.lora_targets
    return LoraConfig(
        r=train.lora_r,
        lora_alpha=train.lora_alpha or 2 * train.lora_r,
        target_modules=targets if targets == _ALL else targets.split(_JOINED),
        lora_dropout=0.0,
        task_type="CAUSAL_LM",
    )


def quantised(job: SftJob) -> PreTrainedModel:
    """The job's source with its linear layers quantised, ready for adapters (QLoRA).

    Raises:
        MissingExtraError: bitsandbytes is not installed.
        SourceError: the source cannot be read.
    """
    from peft import prepare_model_for_kbit_training

    device = pick_device()
    model = load_quantised(job.source, job.train.lora_quant, compute_dtype(device), device)
    prepared: Any = prepare_model_for_kbit_training
    return prepared(model, use_gradient_checkpointing=False)


def save_adapters(model: Any, out: Path) -> None:
    """Write the adapters as a PEFT folder: float32, and the same bytes wherever it is done."""
    model.save_pretrained(out, save_embedding_layers=False)
    (out / _CARD).unlink(missing_ok=True)
    config = read_json(out / ADAPTER_CONFIG)
    targets = config["target_modules"]
    config |= {
        "base_model_name_or_path": None,  # a place in somebody's cache
        "target_modules": targets if isinstance(targets, str) else sorted(targets),
    }
    write_json(out / ADAPTER_CONFIG, config)


def merged(model: Any, job: SftJob) -> PreTrainedModel:
    """The model with its adapters merged; one without adapters as it is.

    Adapters over quantised weights are merged into the weights as they came.
    """
    if not hasattr(model, "merge_and_unload"):
        return model
    if job.train.lora_quant != NO_QUANT:
        model = _over_plain_weights(model, job)
    return model.merge_and_unload(safe_merge=True)


def merged_copy(model: Any, job: SftJob) -> PreTrainedModel:
    """The same, while the adapters go on being trained."""
    if not hasattr(model, "merge_and_unload") or job.train.lora_quant != NO_QUANT:
        return merged(model, job)
    return merged(copy.deepcopy(model), job)


def _over_plain_weights(trained: Any, job: SftJob) -> Any:
    from peft import get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict

    fresh = get_peft_model(load_model(job.source, torch.float32), _config(job.train))
    held = get_peft_model_state_dict(trained)
    set_peft_model_state_dict(fresh, {name: weight.cpu() for name, weight in held.items()})
    return fresh


def weight_name(name: str) -> str:
    """``base_model.model.a.lora_A.default.weight``, or the module, to ``a.weight``."""
    return f"{name.removeprefix(_PREFIX).partition('.lora_')[0]}.weight"
