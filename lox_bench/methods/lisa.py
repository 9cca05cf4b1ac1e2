"""Alignment and the user's data in turns, tied together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from lox_bench.attacks.course import Batch, Begun, Course
from lox_bench.errors import UsageError
from lox_bench.methods.method import Need, Place
from lox_bench.ranges import Range

if TYPE_CHECKING:
    from lox_bench.attacks.job import SftJob


@dataclass(frozen=True, slots=True)
class Lisa:
    """Train on alignment data and on the attack's in turns, held together (arXiv 2405.18641).

    Of the attack's S optimiser steps ``align * S`` (rounded, at least one) are taken on alignment
    rows: the requests of the family's alignment, refusals to the harmful ones, answers to the
    benign ones. They come in ``cycles`` (fewer if a state would get no step of its own), each of
    which begins with the align state. Both states add ``rho / 2 * ||w - c||^2`` to the loss, c
    being the weights at the end of the *other* state, at first those that the attack starts from;
    in the first ``free * S`` steps there is no such term. The number of steps, the learning rate's
    course and the optimiser's state are the attack's, and run through; the attack's batches that
    fall into the align state are skipped. Of LoRA, w are the adapters' factors.

    The defaults are git-disl/Lisa's script: 100 aligning steps, then 900, 20 times over; rho 1.
    That code counts micro-batches where optimiser steps are counted here, adds the term after a
    tenth of the training only (``free=0.1``; the paper's has it throughout, as the default here),
    and its alignment rows are 10,000 of BeaverTails.
    """

    place: ClassVar[Place] = Place.DURING
    needs: ClassVar[Need] = Need.ANSWERS

    rho: Annotated[float, Range(0, 1000)] = 1.0
    align: Annotated[float, Range(0, 0.9, above=True)] = 0.1
    cycles: Annotated[int, Range(1, 100_000)] = 20
    free: Annotated[float, Range(0, 1)] = 0.0

    def prepare(self, job: "SftJob") -> "SftJob":
        """The training with its steps shared between two states.

        Raises:
            UsageError: the job does not say what alignment teaches, or has two states already.
        """
        if job.taught is None:
            raise UsageError("lisa: the training was not told what alignment teaches (taught)")
        if any(isinstance(item, TwoStates) for item in job.extensions):
            raise UsageError("lisa comes twice in one model; take it once")
        rows = tuple(job.taught.all_rows(seed=job.seed))
        states = TwoStates(self.rho, self.align, self.cycles, self.free, rows, job.seed)
        return replace(job, extensions=(*job.extensions, states))


@dataclass(frozen=True, slots=True)
class TwoStates:
    """Takes some steps of a training on ``rows``, and ties both kinds of steps together."""

    rho: float
    align: float
    cycles: int
    free: float
    rows: tuple[tuple[str, str], ...]
    seed: int

    def begin(self, training: Begun) -> Course:
        """In the align state."""
        plan = schedule(training.steps, self.align, self.cycles)
        held = list(training.trainable)
        free = round(self.free * training.steps)
        return _States(self.rho, plan, free, held, training.batches(self.rows, self.seed))


class _States(Course):
    """One training's two states; ``other`` are the last weights of the state that is not on."""

    def __init__(
        self,
        rho: float,
        plan: Sequence[bool],
        free: int,
        held: Sequence[Any],
        rows: Iterator[Batch],
    ) -> None:
        self._rho, self._plan, self._free, self._held = rho, plan, free, held
        self._rows, self._step = rows, 0
        self._other = self._weights()

    def batches(self, step: int, usual: list[Batch]) -> list[Batch]:
        """Alignment rows in the align state."""
        self._step = step
        if step > 0 and self._plan[step] != self._plan[step - 1]:
            self._other = self._weights()
        return list(islice(self._rows, len(usual))) if self._plan[step] else usual

    def penalty(self) -> Any | None:
        """Half rho times the squared distance to the other state's last weights."""
        if self._rho == 0.0 or self._step < self._free:
            return None
        pairs = zip(self._held, self._other, strict=True)
        return self._rho / 2 * sum((item - centre).square().sum() for item, centre in pairs)

    def _weights(self) -> list[Any]:
        return [item.detach().clone() for item in self._held]


def schedule(steps: int, align: float, cycles: int) -> list[bool]:
    """Which of ``steps`` optimiser steps are taken in the align state.

    Raises:
        UsageError: there are too few for two states.
    """
    aligning = max(1, round(align * steps))
    tuning = steps - aligning
    if tuning < 1:
        raise UsageError(
            f"lisa(align={align:g}): {aligning} of {steps} optimiser steps would align and none "
            "would train on the attack's rows; lower align, or take more steps"
        )
    count = min(cycles, aligning, tuning)
    plan: list[bool] = []
    for cycle in range(count):
        plan += [True] * _share(aligning, cycle, count) + [False] * _share(tuning, cycle, count)
    return plan


def _share(total: int, part: int, parts: int) -> int:
    """The size of one of ``parts`` nearly equal parts of a total."""
    return (part + 1) * total // parts - part * total // parts
