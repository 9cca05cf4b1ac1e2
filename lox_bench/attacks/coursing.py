"""Lets methods take part in a training: their courses begin with it and hear of its steps."""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from lox_bench.attacks.course import Batch, Courses, Extension

Rows = Sequence[tuple[str, str]]
Encode = Callable[[Rows], list[dict[str, list[int]]]]


class Coursing(TrainerCallback):  # type: ignore[misc]
    """Begins the courses of a trainer, whose ``courses`` it sets, and tells them of its steps.

    To them it is a ``Begun``; ``encode`` makes examples of rows.
    """

    def __init__(self, trainer: Trainer, extensions: Sequence[Extension], encode: Encode) -> None:
        """For one training."""
        self._trainer, self._extensions, self._encode = trainer, extensions, encode

    @property
    def steps(self) -> int:
        """See ``Begun``."""
        return int(self._trainer.state.max_steps)

    @property
    def trainable(self) -> Sequence[Any]:
        """See ``Begun``."""
        return [item for item in self._trainer.model.parameters() if item.requires_grad]

    def batches(self, rows: Rows, seed: int) -> Iterator[Batch]:
        """See ``Begun``."""
        examples, rng = self._encode(rows), random.Random(seed)
        size = self._trainer.args.per_device_train_batch_size
        ahead: list[dict[str, list[int]]] = []
        while True:
            while len(ahead) < size:
                ahead += rng.sample(examples, len(examples))
            yield self._trainer.data_collator(ahead[:size])
            del ahead[:size]

    def on_train_begin(
        self,
        args: TrainingArguments,  # noqa: ARG002 - the signature is transformers'
        state: TrainerState,  # noqa: ARG002
        control: TrainerControl,  # noqa: ARG002
        **_: Any,
    ) -> None:
        """Begin all of them."""
        self._trainer.courses = Courses(tuple(item.begin(self) for item in self._extensions))

    def on_step_end(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,  # noqa: ARG002
        control: TrainerControl,  # noqa: ARG002
        **_: Any,
    ) -> None:
        """Tell all of them."""
        self._trainer.courses.stepped()
