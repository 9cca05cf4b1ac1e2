"""A control: LoX's idea without its low rank."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from lox_bench.methods.method import Between, Place, Weights
from lox_bench.ranges import Range

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Expo:
    """Control: extrapolate every weight along all of its alignment (ExPO, arXiv 2404.16792).

    ``aligned + alpha * (aligned - base)``, vectors included.
    """

    place: ClassVar[Place] = Place.BEFORE
    family_defaults: ClassVar[str] = "lox"
    search: ClassVar[Mapping[str, Between]] = {
        "alpha": Between(0.1, 2, log=True),
    }

    alpha: Annotated[float, Range(-100, 100)] = 1.25

    def tensor(self, name: str, w: Weights) -> "Tensor":
        """See ``TensorMethod``."""
        from lox_bench.weights.controls import expo

        del name
        return expo(w.base, w.aligned, self.alpha)
