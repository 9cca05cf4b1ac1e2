"""A control: a step as large as LoX's, in the directions that alignment used least."""

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Annotated, ClassVar

from lox_bench.methods.method import NoneIs, Place, Weights
from lox_bench.ranges import Range

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class BottomK:
    """Control: the LoX step's singular values on the k smallest alignment directions.

    Vectors stay as they are.
    """

    place: ClassVar[Place] = Place.BEFORE
    family_defaults: ClassVar[str] = "lox"

    k: Annotated[int | None, Range(1, inf), NoneIs("full")] = 6
    alpha: Annotated[float, Range(-100, 100)] = 1.25

    def tensor(self, name: str, w: Weights) -> "Tensor":
        """See ``TensorMethod``."""
        from lox_bench.weights.controls import bottom_k

        del name
        return bottom_k(w.base, w.aligned, self.k, self.alpha)
