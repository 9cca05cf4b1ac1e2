"""A control: a step as large as LoX's, in directions that mean nothing."""

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Annotated, ClassVar

from lox_bench.methods.method import NoneIs, Place, Weights
from lox_bench.ranges import Range

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class RandomK:
    """Control: the LoX step's singular values on random directions.

    The directions depend on the seed and the tensor's name alone. ``seed = None`` asks for the
    study's method seed (``arguments.seeded`` fills it in). Vectors stay as they are.
    """

    place: ClassVar[Place] = Place.BEFORE
    family_defaults: ClassVar[str] = "lox"

    k: Annotated[int | None, Range(1, inf), NoneIs("full")] = 6
    alpha: Annotated[float, Range(-100, 100)] = 1.25
    seed: Annotated[int | None, Range(0, inf), NoneIs("study")] = None

    def tensor(self, name: str, w: Weights) -> "Tensor":
        """See ``TensorMethod``; without a seed it is that of seed 0."""
        from lox_bench.weights.controls import generator_of, random_k

        generator = generator_of(self.seed or 0, name)
        return random_k(w.base, w.aligned, self.k, self.alpha, generator)
