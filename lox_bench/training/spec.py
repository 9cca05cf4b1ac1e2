"""What every training is told."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

from lox_bench.engine.stage import LATER, Text
from lox_bench.ranges import OneOf, Range
from lox_bench.types import Progress

NO_QUANT: Final = "none"
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
        """Rows at a time in a single process: see ``micro_of``."""
        return self.micro_of(1)

    def micro_of(self, processes: int) -> int:
        """Rows at a time in each of some processes: at most ``micro_batch_size``, and a divisor.

        The batch, a multiple of ``processes``, is this times the accumulation times ``processes``.
        """
        each = self.batch_size // processes
        most = min(self.micro_batch_size, each)
        return next(size for size in range(most, 0, -1) if each % size == 0)


@dataclass(frozen=True, slots=True)
class SftSpec(TrainSpec):
    """A supervised fine-tuning; ``lora_r`` above 0 trains adapters only, merged at the end.

    ``steps`` above 0 takes the place of ``epochs``; ``mask`` says which tokens have a loss;
    ``lora_alpha`` 0 is twice the rank; ``lora_targets`` are module names joined by ``+``, or PEFT's
    ``all-linear``; with a ``lora_quant`` the weights under the adapters are quantised while
    they are trained (QLoRA), and what is merged and measured are the weights as they came.
    ``packing`` puts rows end to end into sequences of at most ``max_length`` tokens, none of which
    sees another; ``batch_size`` then counts sequences.
    """

    steps: Annotated[int, Range(0, 1_000_000_000)] = 0
    weight_decay: Annotated[float, Range(0, 10)] = 0.0
    mask: Annotated[str, OneOf("completion", "all")] = "completion"
    lora_r: Annotated[int, Range(0, 65536)] = 0
    lora_alpha: Annotated[int, Range(0, 1_000_000)] = 0
    lora_targets: str = "all-linear"
    lora_quant: Annotated[str, OneOf(NO_QUANT, "nf4", "int8")] = field(
        default=NO_QUANT, metadata=LATER
    )
    packing: bool = field(default=False, metadata=LATER)


@dataclass(frozen=True, slots=True)
class Launch:
    """How a training uses the machine: alone, or in ``processes`` that accelerate starts.

    ``config`` is the text of an accelerate configuration; several processes add up gradients in
    another order, so it counts as part of a result. ``checkpointing`` computes activations again in
    the backward pass instead of keeping them: less memory, more time, the same weights.
    """

    config: Text | None = None
    processes: int = 1
    sharded: bool = False  # FSDP: no process holds all weights
    checkpointing: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Training:
    """One training about to start: to which folder, with which seed.

    ``max_steps`` cuts it short (smoke runs); ``dtype`` is that of the saved weights. LoRA adapters
    as they are go to the folder ``adapter`` besides, if there is one.
    """

    out: Path
    seed: int
    max_steps: int | None
    dtype: str
    progress: Progress
    launch: Launch = Launch()
    adapter: Path | None = None
