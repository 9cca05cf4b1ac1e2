"""How far a training has moved each weight: differentiable, for all weights or through adapters."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from lox_bench.attacks.lora import weight_name

_ADAPTER = "default"  # PEFT's name of the only one


@dataclass(frozen=True)
class Update:
    """One weight that a training moves, as its checkpoint names and shapes it.

    Trained itself (``origin`` holds its values at the start), or through a LoRA adapter, whose
    change is ``scale * left @ right`` with ``left`` ``(rows, r)`` and ``right`` ``(r, columns)``.
    """

    name: str
    weight: Tensor
    origin: Tensor | None = None
    adapter: Any = None

    def factors(self) -> tuple[Tensor, Tensor, float]:
        """``left``, ``right`` and ``scale`` of an adapter."""
        a, b = self.adapter.lora_A[_ADAPTER].weight, self.adapter.lora_B[_ADAPTER].weight
        left, right = (a.mT, b.mT) if getattr(self.adapter, "fan_in_fan_out", False) else (b, a)
        return left, right, float(self.adapter.scaling[_ADAPTER])

    def dense(self) -> Tensor:
        """The change itself, in the weight's shape, ``alpha / r`` of LoRA in it."""
        if self.origin is not None:
            return self.weight - self.origin
        left, right, scale = self.factors()
        return scale * (left @ right)


def updates(model: Any) -> Iterator[Update]:
    """Every weight that moves, before the first step, in the order of the model; tied ones once.

    Args:
        model: a model, or PEFT's wrapper of one, at its start (its change is zero). A copy is made
            of each weight that is trained itself.
    """
    if not hasattr(model, "peft_config"):
        for name, weight in model.named_parameters():
            if weight.requires_grad:
                yield Update(name, weight, origin=weight.detach().clone())
        return
    for name, module in model.named_modules():
        held = getattr(module, "lora_B", None)
        if held is not None and _ADAPTER in held and held[_ADAPTER].weight.requires_grad:
            base = module.get_base_layer().weight
            yield Update(weight_name(name), base, adapter=module)


@contextmanager
def without_adapters(model: Any) -> Iterator[None]:
    """Within, the adapters of PEFT's wrapper add nothing: the model is the one at the start.

    By their scale: PEFT's ``disable_adapter`` forgets which of them a method has frozen.
    """
    held = [module.scaling for module in model.modules() if hasattr(module, "lora_B")]
    scales = [dict(scaling) for scaling in held]
    try:
        for scaling in held:
            scaling.update(dict.fromkeys(scaling, 0.0))
        yield
    finally:
        for scaling, before in zip(held, scales, strict=True):
            scaling.update(before)
