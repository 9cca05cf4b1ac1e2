"""The average of the weights on the way, in place of the last ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from lox_bench.attacks.course import Begun, Course
from lox_bench.methods.method import Place
from lox_bench.ranges import Range

if TYPE_CHECKING:
    from lox_bench.attacks.job import SftJob


@dataclass(frozen=True, slots=True)
class Ema:
    """Save the exponential moving average of the weights over the steps (arXiv 2508.12531).

    After every optimiser step ``average = decay * average + (1 - decay) * weights``, beginning
    with the weights that the attack starts from; no correction of bias. Training itself goes on
    from the plain weights, so that losses on the way are those of the plain attack. The average is
    what is measured at the end, and what snapshots hold. ``decay`` 0 is the plain attack. In
    float32; of LoRA, it is the adapters' factors that are averaged, not their product.

    The default is ours: it remembers some 20 steps, half of an attack on the default family. The
    paper's own number (0.25, from memory) and how often it averages could not be read here, and no
    code of its authors was at hand: scan ``ema(decay=0.9|0.95|0.98)``.
    """

    place: ClassVar[Place] = Place.DURING

    decay: Annotated[float, Range(0, 0.99999)] = 0.95

    def prepare(self, job: "SftJob") -> "SftJob":
        """The same training, another end."""
        return replace(job, extensions=(*job.extensions, Averaging(self.decay)))


@dataclass(frozen=True, slots=True)
class Averaging:
    """Averages the parameters that move, once a step."""

    decay: float

    def begin(self, training: Begun) -> Course:
        """From the weights as they are now."""
        held = list(training.trainable)
        return _Average(self.decay, held, [item.detach().clone() for item in held])


@dataclass(slots=True)
class _Average(Course):
    decay: float
    held: list[Any]
    average: list[Any]

    def stepped(self) -> None:
        """Take one step of the average towards the weights."""
        for mean, item in zip(self.average, self.held, strict=True):
            mean.lerp_(item.detach(), 1.0 - self.decay)

    @contextmanager
    def shipped(self) -> Iterator[None]:
        """Within, the model holds the average."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for index, item in enumerate(self.held):
            item.data, self.average[index] = self.average[index], item.data
