"""What a method does in the midst of a training, where rows, loss and frozen weights do not do."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

Batch = Mapping[str, Any]


class Begun(Protocol):
    """A training that is about to take its first step."""

    @property
    def steps(self) -> int:
        """Optimiser steps it will take."""

    @property
    def trainable(self) -> Sequence[Any]:
        """The parameters that move (of LoRA: the adapters), in the order of the model."""

    def batches(self, rows: Sequence[tuple[str, str]], seed: int) -> Iterator[Batch]:
        """Rows as micro-batches of the training's size, for ever, in a new seeded order each pass.

        Under the training's template and mask, and cut at its longest length.
        """


class Course:
    """One training's hooks; those that a method leaves as they are change nothing."""

    def batches(self, step: int, usual: list[Batch]) -> list[Batch]:
        """The micro-batches of an optimiser step (counted from 0) in place of the ``usual`` ones.

        As many as those.
        """
        del step
        return usual

    def penalty(self) -> Any | None:
        """A scalar added to the loss of each optimiser step, before gradients are clipped."""
        return None

    def stepped(self) -> None:
        """An optimiser step was taken."""

    @contextmanager
    def shipped(self) -> Iterator[None]:
        """Within, the model holds the weights that are measured and saved."""
        yield


class Extension(Protocol):
    """A value that begins a fresh course for each training, so that a job can be run again."""

    def begin(self, training: Begun) -> Course:
        """The hooks of one training."""


@dataclass(frozen=True, slots=True)
class Courses:
    """The courses of all methods of one training, in the order of the methods."""

    held: tuple[Course, ...] = ()

    def batches(self, step: int, usual: list[Batch]) -> list[Batch]:
        """See ``Course``: each sees what the one before it left."""
        for course in self.held:
            usual = course.batches(step, usual)
        return usual

    def added(self, loss: Any, parts: int) -> Any:
        """A micro-batch's loss with its share of the penalties: one of ``parts`` a step."""
        for course in self.held:
            penalty = course.penalty()
            if penalty is not None:
                loss = loss + penalty / parts
        return loss

    def stepped(self) -> None:
        """See ``Course``."""
        for course in self.held:
            course.stepped()

    @contextmanager
    def shipped(self) -> Iterator[None]:
        """See ``Course``."""
        with ExitStack() as stack:
            for course in self.held:
                stack.enter_context(course.shipped())
            yield
