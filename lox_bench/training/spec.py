"""What every training is told."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from lox_bench.ranges import OneOf, Range
from lox_bench.types import Progress

LOSSES: Final = "loss.csv"  # step, loss, learning rate; beside the weights of every training


@dataclass(frozen=True, slots=True)
class TrainSpec:
    """What both trainings share; ``batch_size`` is the number of rows per optimiser step."""

    learning_rate: Annotated[float, Range(0, 1, above=True)]
    epochs: Annotated[float, Range(0, 1000, above=True)]
    batch_size: Annotated[int, Range(1, 65536)]
    micro_batch_size: Annotated[int, Range(1, 65536)]
    warmup_steps: Annotated[int, Range(0, 1_000_000)] = 0
    schedule: Annotated[str, OneOf("linear", "cosine", "constant", "constant_with_warmup")] = (
        "linear"
    )
    max_grad_norm: Annotated[float, Range(0, 10_000)] = 1.0
    max_length: Annotated[int, Range(8, 1_000_000)] = 1024

    @property
    def micro(self) -> int:
        """Rows at a time: at most ``micro_batch_size``, and a divisor of the batch."""
        most = min(self.micro_batch_size, self.batch_size)
        return next(size for size in range(most, 0, -1) if self.batch_size % size == 0)


@dataclass(frozen=True, slots=True)
class SftSpec(TrainSpec):
    """A supervised fine-tuning; ``lora_r`` above 0 trains adapters only, merged at the end.

    ``steps`` above 0 takes the place of ``epochs``; ``mask`` says which tokens have a loss;
    ``lora_alpha`` 0 is twice the rank; ``lora_targets`` are module names joined by ``+``, or PEFT's
    ``all-linear``.
    """

    steps: Annotated[int, Range(0, 1_000_000_000)] = 0
    weight_decay: Annotated[float, Range(0, 10)] = 0.0
    mask: Annotated[str, OneOf("completion", "all")] = "completion"
    lora_r: Annotated[int, Range(0, 65536)] = 0
    lora_alpha: Annotated[int, Range(0, 1_000_000)] = 0
    lora_targets: str = "all-linear"


@dataclass(frozen=True, slots=True)
class Training:
    """One training about to start: to which folder, with which seed.

    ``max_steps`` cuts it short (smoke runs); ``dtype`` is that of the saved weights.
    """

    out: Path
    seed: int
    max_steps: int | None
    dtype: str
    progress: Progress
