"""What every training is told."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lox_bench.types import Progress

LOSSES: Final = "loss.csv"  # step, loss, learning rate; beside the weights of every training


@dataclass(frozen=True, slots=True)
class TrainSpec:
    """What both trainings share; ``batch_size`` is the number of rows per optimiser step."""

    learning_rate: float
    epochs: float
    batch_size: int
    micro_batch_size: int
    warmup_steps: int = 0
    schedule: str = "linear"
    max_grad_norm: float = 1.0
    max_length: int = 1024


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
