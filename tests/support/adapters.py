"""LoRA adapters with random factors, and what PEFT itself makes of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM


def _model(path: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)


def lora(
    base: Path,
    out: Path,
    *,
    targets: Sequence[str] = ("q_proj", "v_proj", "down_proj"),
    seed: int = 3,
    size: float = 0.1,
    **config: Any,
) -> Path:
    """Save an adapter whose factors are drawn from ``seed``; B is not zero."""
    import peft

    torch.manual_seed(seed)
    settings = {"r": 4, "lora_alpha": 10, "target_modules": list(targets), **config}
    wrapped: Any = peft.get_peft_model(
        _model(base), peft.LoraConfig(task_type="CAUSAL_LM", **settings)
    )
    with torch.no_grad():
        for weight in wrapped.parameters():
            if weight.requires_grad:
                weight.add_(size * torch.randn(weight.shape))
    wrapped.save_pretrained(out)
    return out


def peft_merged(base: Path, adapter: Path) -> dict[str, torch.Tensor]:
    """The weights that PEFT makes of a base and an adapter."""
    import peft

    loaded: Any = peft.PeftModel.from_pretrained(_model(base), adapter)
    return dict(loaded.merge_and_unload().state_dict())
