"""LoRA attacks (Hu et al., arXiv 2106.09685) by PEFT: adapters are trained, then merged.

What is measured is the merged model, as whoever ships such a model would serve it.
"""

import copy
from collections.abc import Callable
from typing import Any

from transformers import PreTrainedModel, set_seed

from lox_bench.errors import UsageError
from lox_bench.training.spec import SftSpec

_PREFIX = "base_model.model."
_JOINED, _ALL = "+", "all-linear"


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
    from peft import LoraConfig, get_peft_model  # late: it loads much

    targets = train.lora_targets
    config = LoraConfig(
        r=train.lora_r,
        lora_alpha=train.lora_alpha or 2 * train.lora_r,
        target_modules=targets if targets == _ALL else targets.split(_JOINED),
        lora_dropout=0.0,
        task_type="CAUSAL_LM",
    )
    set_seed(seed)
    try:
        wrapped = get_peft_model(model, config)
    except ValueError as error:
        linear = sorted({name.rpartition(".")[2] for name, _ in model.named_modules()} - {""})
        raise UsageError(
            f"lora_targets={targets}: PEFT finds nothing to adapt ({error}); modules of "
            f"this model are {', '.join(linear)}"
        ) from None
    for name, parameter in wrapped.named_parameters():
        if frozen is not None and parameter.requires_grad and frozen(weight_name(name)):
            parameter.requires_grad_(False)
    return wrapped


def merged(model: Any) -> PreTrainedModel:
    """The model with its adapters merged; one without adapters as it is."""
    if hasattr(model, "merge_and_unload"):
        return model.merge_and_unload(safe_merge=True)
    return model


def merged_copy(model: Any) -> PreTrainedModel:
    """The same, while the adapters go on being trained."""
    return merged(copy.deepcopy(model)) if hasattr(model, "merge_and_unload") else model


def weight_name(name: str) -> str:
    """``base_model.model.a.lora_A.default.weight``, or the module, to ``a.weight``."""
    return f"{name.removeprefix(_PREFIX).partition('.lora_')[0]}.weight"
