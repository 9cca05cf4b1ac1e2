"""Elastic weight consolidation: weights that alignment needs are held near where they were."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from lox_bench.errors import UsageError
from lox_bench.methods.method import Need, Place
from lox_bench.ranges import Range

if TYPE_CHECKING:
    from torch import Tensor

    from lox_bench.attacks.job import SftJob
    from lox_bench.attacks.terms import Example, Part, Start, Step
    from lox_bench.attacks.updates import Update


@dataclass(frozen=True, slots=True)
class Ewc:
    """Hold weights that matter to alignment: lambda sum_i F_i (w_i - a_i)^2 (arXiv 1612.00796).

    The sum runs over all weights that move, a are their values when the attack starts, and F_i is
    the mean over ``rows`` alignment rows (refusals and benign answers of the family's own
    alignment, never evaluation prompts) of the squared derivative of the row's log-likelihood, at
    the start. Under LoRA the sum runs over the weights of the adapted matrices, whose change is
    (alpha / r) B A; the paper writes lambda / 2.

    ``git-disl/Vaccine`` (``FITrainer``, lambda 1e9) squares gradients of batches, not of rows,
    sums them, and takes them on LoRA's A and B themselves, with whatever data it evaluates on.

    To second order, were F whole, the sum would be twice the KL divergence of what the model says
    to an alignment row from what it said at the start, in nats a row. Its diagonal is far less:
    1/300 of that in one measurement (SmolLM2-135M's base with noise in an alignment's place, all
    weights, three steps of GSM8K, 4 rows). The default, 300, is provisional: it makes up for that,
    and so charges about two nats of loss a token for each nat by which refusals are left; 1e9
    belongs to that code's other F, and lambda 1 does nothing here.
    """

    place: ClassVar[Place] = Place.DURING
    needs: ClassVar[Need] = Need.ANSWERS

    lambda_: Annotated[float, Range(0, 1e9)] = 300.0
    rows: Annotated[int, Range(1, 1_000_000)] = 64

    def prepare(self, job: "SftJob") -> "SftJob":
        """The training with this term."""
        return replace(job, terms=(*job.terms, self))

    def begin(self, start: "Start") -> "Part":
        """See ``attacks.terms.Term``.

        Raises:
            UsageError: no alignment row is at hand, or none is short enough.
        """
        import torch

        from lox_bench.attacks.updates import updates

        moving = list(updates(start.model))
        importance = fisher(start, moving, self._rows(start))

        def term(step: "Step") -> "Tensor":
            total = torch.zeros((), device=step.labels.device)
            for one, held in zip(moving, importance, strict=True):
                total = total + weighted(one, held)
            return self.lambda_ * step.share * total

        return term

    def _rows(self, start: "Start") -> "Sequence[Example]":
        import random

        taught = start.job.taught
        rows = [] if taught is None else taught.all_rows(seed=start.job.seed)
        random.Random(start.job.seed).shuffle(rows)  # noqa: S311 - for a draw
        found = start.tokenise(rows[: self.rows])
        if not found:
            raise UsageError(
                "ewc estimates the Fisher information on alignment rows, and there are none that "
                f"fit into max_length = {start.job.train.max_length} tokens"
            )
        return found


def fisher(start: "Start", moving: "Sequence[Update]", rows: "Sequence[Example]") -> "list[Tensor]":
    """Mean over rows of the squared gradient of a row's log-likelihood, shaped as each weight."""
    import torch

    from lox_bench.attacks.terms import Step

    weights = [one.weight for one in moving]
    were = [weight.requires_grad for weight in weights]
    for weight in weights:  # under LoRA they are frozen
        weight.requires_grad_(True)
    found = [torch.zeros_like(weight, dtype=torch.float32) for weight in weights]
    for row in rows:
        inputs = start.batch([row])
        step = Step(start.model, inputs, inputs.pop("labels"), 1)
        for held, slope in zip(found, _slopes(step, start, weights), strict=True):
            if slope is not None:
                held.addcmul_(slope, slope, value=1 / len(rows))
    for weight, was in zip(weights, were, strict=True):
        weight.requires_grad_(was)
    return found


def _slopes(step: "Step", start: "Start", weights: "Sequence[Tensor]") -> "Sequence[Any]":
    import torch

    from lox_bench.attacks.terms import cross_entropy

    with start.precise():
        loss = cross_entropy(step)
    slopes: Sequence[Any] = torch.autograd.grad(loss, weights, allow_unused=True)
    return slopes


def weighted(one: "Update", importance: "Tensor") -> "Tensor":
    """``sum_i F_i (w_i - a_i)^2`` of one weight, differentiable; no tensor of its size is kept."""
    if one.origin is None:
        delta = one.dense()
        return (importance * delta).mul(delta).sum()
    from lox_bench.attacks.quadratic import distance

    return distance(one.weight, one.origin, importance)
