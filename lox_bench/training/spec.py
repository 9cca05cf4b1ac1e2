"""What every training is told."""

from dataclasses import dataclass


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
