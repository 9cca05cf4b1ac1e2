"""A small training for ``during`` methods, run to its end."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import TrainerCallback

from lox_bench.attacks.job import SftJob
from lox_bench.attacks.sft import attack
from lox_bench.attacks.taught import Answered, Taught
from lox_bench.training.spec import SftSpec, Training
from support.pico import CHATML, NoProgress

ROWS = tuple((f"What is {i} plus 1?", f"It is {i + 1}, of course.") for i in range(10))
TAUGHT = Taught(
    harmful=tuple(f"Bad request {i}" for i in range(6)),
    refusals=("No.", "I will not."),
    benign=tuple(Answered(f"Good request {i}", f"Here is {i}.") for i in range(4)),
)
TRAIN = SftSpec(
    learning_rate=2e-3, epochs=4, batch_size=4, micro_batch_size=2, warmup_steps=1,
    max_grad_norm=0.5,
)  # fmt: skip
STEPS = 12  # 10 rows, of which an epoch makes 3 steps: the last has one micro-batch


def job(source: Path, **changes: Any) -> SftJob:
    made = SftJob(source, source, source, ROWS, TRAIN, CHATML, seed=3, taught=TAUGHT)
    return replace(made, **changes)


def run(work: SftJob, out: Path, watch: Any = None) -> dict[str, torch.Tensor]:
    """The weights at the end."""
    out.mkdir()
    attack(work, Training(out, work.seed, None, "float32", NoProgress()), watch)
    return load_file(out / "model.safetensors")


class Trail(TrainerCallback):  # type: ignore[misc]
    """Remembers the weights after each step."""

    def __init__(self) -> None:
        self.weights: list[dict[str, torch.Tensor]] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        held = given["model"].named_parameters()
        self.weights.append({name: item.detach().clone() for name, item in held})


class Recorder:
    """A watch that keeps snapshots."""

    last = None

    def __init__(self, folder: Path, *steps: int) -> None:
        self.folder, self.steps = folder, steps

    def take(self, step: int, facts: Any, save: Any) -> None:
        save(self.folder / str(step))
