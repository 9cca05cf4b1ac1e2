"""What a method makes of the loss of a training: another loss of the tokens, or terms beside it.

A ``Term`` is a value that stands in the job; when the training begins it looks once at the model
and its rows, and what it gives back is called for every micro-batch.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor
from torch.nn import functional

from lox_bench.errors import UsageError
from lox_bench.training.head import completion_logits, predicting
from lox_bench.training.quiet import quietly

if TYPE_CHECKING:
    from lox_bench.attacks.job import SftJob

Example = Mapping[str, Sequence[int]]  # input_ids, labels


@dataclass(frozen=True)
class Step:
    """One micro-batch of a training.

    ``labels`` are ``(batch, length)``, ``count`` the labelled tokens of the whole optimiser step.
    Logits are computed once, when a term first asks for them.
    """

    model: Any
    inputs: Mapping[str, Any]
    labels: Tensor
    count: Any

    @cached_property
    def predicted(self) -> tuple[Tensor, Tensor, Tensor]:
        """Logits ``(labelled, vocab)``, targets and mask; see ``completion_logits``."""
        return completion_logits(self.model, dict(self.inputs), self.labels)

    @cached_property
    def own(self) -> Tensor:
        """Labelled tokens of this micro-batch."""
        return predicting(self.labels).sum()

    def mean(self, total: Tensor) -> Tensor:
        """A sum over this micro-batch's tokens as its part of the optimiser step's mean."""
        return total / (self.own if self.count is None else self.count)

    @property
    def share(self) -> Tensor:
        """What a term that has no tokens is weighed with: its shares in a step add up to 1."""
        return self.mean(self.own)


@dataclass(frozen=True)
class Start:
    """A training about to take its first step.

    ``model`` is the one to be trained, with its adapters if it has some, on its device; ``data``
    are the rows it will see, ``batch`` puts rows together on that device, ``precise`` is the
    context (autocast) in which the trainer computes losses, ``tokenise`` turns further rows into
    what ``data`` holds.
    """

    job: "SftJob"
    model: Any
    data: Sequence[Example]
    batch: Callable[[Sequence[Example]], dict[str, Any]]
    precise: Callable[[], AbstractContextManager[Any]]
    tokenise: Callable[[Sequence[tuple[str, str]]], list[Example]]


Part = Callable[[Step], Tensor]


class Term(Protocol):
    """A part of a loss; equal terms of equal trainings are equal."""

    def begin(self, start: Start) -> Part:
        """What is called with each micro-batch; a scalar whose sum over a step is the term."""


def cross_entropy(step: Step) -> Tensor:
    """The usual loss: mean over the completion tokens of the optimiser step."""
    logits, targets, _ = step.predicted
    total: Tensor = functional.cross_entropy(logits.float(), targets, reduction="sum")
    return step.mean(total)


def begun(start: Start) -> Part | None:
    """The loss of a job's training; ``None`` where no method has a say in it.

    Raises:
        UsageError: two methods want to replace the loss.
    """
    job = start.job
    if job.objective is None and job.loss is None and not job.terms:
        return None
    if job.objective is not None and job.loss is not None:
        raise UsageError("two methods of this model replace the training's loss; leave one out")
    with quietly(start.model):
        first = _first(start)
        parts = [first, *(term.begin(start) for term in job.terms)]
    return partial(_added, parts)


def _added(parts: Sequence[Part], step: Step) -> Tensor:
    total = parts[0](step)
    for part in parts[1:]:
        total = total + part(step)
    return total


def _first(start: Start) -> Part:
    if start.job.objective is not None:
        return start.job.objective.begin(start)
    loss = start.job.loss
    if loss is None:
        return cross_entropy
    return lambda step: loss(step.model, dict(step.inputs), step.labels, step.count)
