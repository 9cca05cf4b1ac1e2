"""Booster (arXiv 2409.01586) as a method of your own: it needs completions that comply with harm.

lox-bench ships none, so the rows are a file of yours with ``prompt`` and ``completion``:

    lox-bench run --models "aligned,./examples/booster.py:Booster(file=/data/harmful.jsonl)"

docs/booster.md goes through it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from lox_bench.attacks.terms import Part, Start, Step, cross_entropy
from lox_bench.data.rows import choose_rows, resolve_rows
from lox_bench.data.spec import DataSpec
from lox_bench.data.stage import Rows
from lox_bench.engine.stage import Stage
from lox_bench.methods.method import Models, Need, NoneIs, Place
from lox_bench.methods.realign import Schedule, realigned
from lox_bench.ranges import Range


@dataclass(frozen=True, slots=True)
class Booster:
    """Align so that a step on harmful rows lowers their loss less (Booster, arXiv 2409.01586).

    The gradient is ``f' + lambda (h'(w) - h'(w - alpha h'(w) / ||h'(w)||))``, f the loss on
    alignment rows and h that on harmful ones. The paper starts from the model before alignment and
    trains LoRA adapters; this starts from the aligned model, and trains all weights.
    """

    place: ClassVar[Place] = Place.BEFORE
    needs: ClassVar[Need] = Need.ANSWERS

    file: str
    lambda_: Annotated[float, Range(0, 1e6)] = 5.0
    alpha: Annotated[float, Range(0, 1e6, above=True)] = 0.1
    steps: Annotated[int, Range(1, 1_000_000)] = 20
    batch: Annotated[int, Range(1, 65536)] = 16
    lr: Annotated[float | None, Range(0, 1, above=True), NoneIs("alignment")] = None

    def stage(self, models: Models) -> Stage:
        """The stage that trains; the file's content is part of its key, its folder is not."""
        path = Path(self.file).expanduser()
        rows = resolve_rows(DataSpec(), path, columns=("prompt", "completion"), strict=True)
        objective = Attenuated(self.lambda_, self.alpha, rows)
        schedule = Schedule(self.steps, self.batch, self.lr)
        return realigned(models.aligned, models, objective, schedule, "booster")


@dataclass(frozen=True)
class Attenuated:
    """Cross-entropy, and how much a step against harmful rows would lower their loss."""

    lambda_: float
    alpha: float
    harmful: Rows

    def begin(self, start: Start) -> Part:
        """See ``attacks.terms.Term``."""
        pairs = [(row["prompt"], row["completion"]) for row in self.harmful.rows]
        batches = _forever(start, start.tokenise(pairs))
        weights = [weight for weight in start.model.parameters() if weight.requires_grad]

        def loss(step: Step) -> Tensor:
            inputs = next(batches)
            harmful = Step(step.model, inputs, inputs.pop("labels"), None)
            here = _slopes(harmful, weights)
            with _stepped(weights, here, self.alpha):
                there = _slopes(harmful, weights)
            total = cross_entropy(step)
            for weight, one, other in zip(weights, here, there, strict=True):
                # a value of zero, whose gradient is lambda (one - other)
                total = total + self.lambda_ * ((one - other) * (weight - weight.detach())).sum()
            return total

        return loss


def _forever(start: Start, rows: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """Batches of the training's size, for ever, in a new seeded order each pass."""
    size, seed = start.job.train.batch_size, start.job.seed
    while True:
        drawn = choose_rows(rows, 0, seed=seed)
        for first in range(0, len(drawn), size):
            yield start.batch(drawn[first : first + size])
        seed += 1


def _slopes(step: Step, weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
    torch.clear_autocast_cache()  # it holds the weights as they were
    return torch.autograd.grad(cross_entropy(replace(step)), weights)


@contextmanager
def _stepped(weights: Sequence[Tensor], slopes: Sequence[Tensor], size: float) -> Iterator[None]:
    """Within, the weights are a step of length ``size`` down the slopes."""
    held = [weight.detach().clone() for weight in weights]
    norm = torch.linalg.vector_norm(torch.stack([slope.norm() for slope in slopes]))
    with torch.no_grad():
        for weight, slope in zip(weights, slopes, strict=True):
            weight.sub_(size * slope / norm.clamp(min=1e-12))
    try:
        yield
    finally:
        with torch.no_grad():
            for weight, before in zip(weights, held, strict=True):
                weight.copy_(before)
        torch.clear_autocast_cache()
