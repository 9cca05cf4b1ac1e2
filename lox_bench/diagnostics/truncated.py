"""A probe that is registered as a third party's method would be: by an entry point."""

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Annotated, ClassVar

from lox_bench.methods.method import Place, Weights
from lox_bench.ranges import Range

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Truncated:
    """Probe: the base plus the top r directions of its alignment (arXiv 2506.15606, section 3).

    A vector's difference has rank one and is kept whole.
    """

    place: ClassVar[Place] = Place.BEFORE

    r: Annotated[int, Range(1, inf)]

    def tensor(self, name: str, w: Weights) -> "Tensor":
        """See ``TensorMethod``."""
        from lox_bench.weights.controls import truncated

        del name
        return truncated(w.base, w.aligned, self.r)
