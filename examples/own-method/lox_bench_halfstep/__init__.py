"""A method of a third party: one frozen dataclass, found by its entry point."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from lox_bench.methods.method import Place, Weights
from lox_bench.ranges import Range

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class HalfStep:
    """Repeat a share of the step that alignment was, in attention's projections only.

    ``aligned + share * (aligned - base)`` for every tensor whose name holds ``self_attn``; all
    others stay as they are. ``share`` 0 changes nothing.
    """

    place: ClassVar[Place] = Place.BEFORE

    share: Annotated[float, Range(0, 4)] = 0.5

    def tensor(self, name: str, w: Weights) -> "Tensor":
        """The tensor to be written, in shape and type of ``w.tuned``."""
        if "self_attn" not in name or self.share == 0.0:
            return w.tuned
        step = w.aligned.float() - w.base.float()
        return (w.tuned.float() + self.share * step).to(w.tuned.dtype)
