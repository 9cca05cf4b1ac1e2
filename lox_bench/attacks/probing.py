"""Looking at a training: losses before and after it, and weights on the way."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from lox_bench.attacks.encoding import Encoded
from lox_bench.attacks.job import SftJob
from lox_bench.attacks.lora import merged_copy
from lox_bench.attacks.trainer import CompletionTrainer
from lox_bench.training.run import save_rounded

_ROWS: Final = 16  # on which the loss is measured before and after


class Watch(Protocol):
    """Whoever wants weights from the midst of a training."""

    @property
    def steps(self) -> Collection[int]:
        """After which optimiser steps."""

    @property
    def last(self) -> int | None:
        """Where to stop, if the end of the training is of no interest."""

    def take(self, step: int, facts: Mapping[str, float], save: Callable[[Path], None]) -> None:
        """Receive the weights after ``step``: ``save`` writes them to a folder, rounded once."""


class Before(TrainerCallback):  # type: ignore[misc]
    """The losses before the first step.

    Where several processes train, they are taken when the training begins: accelerate would take a
    model that was evaluated for one that is ready to train, and never add up gradients.
    """

    def __init__(
        self,
        trainer: CompletionTrainer,
        data: Sequence[Encoded],
        fresh: Sequence[Encoded],
    ) -> None:
        self._trainer, self._data, self._fresh = trainer, data, fresh
        self.loss = self.held_out = math.nan

    def take(self) -> None:
        """Measure."""
        self.loss = probe(self._trainer, self._data)
        self.held_out = loss_of(self._trainer, self._fresh)

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Measure."""
        self.take()


class Watching(TrainerCallback):  # type: ignore[misc]
    """Hands weights and probe loss to a watch, leaving no trace in the random state."""

    def __init__(
        self,
        watch: Watch,
        trainer: CompletionTrainer,
        data: Sequence[Encoded],
        before: "Before",
        job: SftJob,
    ) -> None:
        self._watch, self._trainer, self._data = watch, trainer, data
        self._before, self._job = before, job

    def on_step_end(
        self,
        args: TrainingArguments,  # noqa: ARG002 - the signature is transformers'
        state: TrainerState,
        control: TrainerControl,
        **_: Any,
    ) -> None:
        """Take what is wanted at this step; stop after the last one."""
        step = state.global_step
        if step in self._watch.steps:
            with self._trainer.courses.shipped():
                self._take(step)
        if step == self._watch.last:
            control.should_training_stop = True

    def _take(self, step: int) -> None:
        with torch.random.fork_rng():
            after = probe(self._trainer, self._data)
        facts = {"loss_before": self._before.loss, "loss_after": after, "steps": step}
        model, tokenizer = self._trainer.model, self._trainer.data_collator.tokenizer

        def save(out: Path) -> None:
            save_rounded(merged_copy(model, self._job), tokenizer, out)

        self._watch.take(step, facts, save)


def loss_of(trainer: CompletionTrainer, data: Sequence[Encoded]) -> float:
    """As ``probe``; NaN without rows."""
    return probe(trainer, data) if data else math.nan


@torch.no_grad()
def probe(trainer: CompletionTrainer, data: Sequence[Encoded]) -> float:
    """Mean loss of the first rows."""
    # not `evaluate`, which also logs: in the midst of a training that would eat the step's own log
    output = trainer.evaluation_loop(
        trainer.get_eval_dataloader(data[:_ROWS]), "probe", prediction_loss_only=True
    )
    return float(output.metrics["eval_loss"])
