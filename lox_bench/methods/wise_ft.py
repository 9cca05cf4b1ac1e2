"""The baseline of all repairs after an attack."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from lox_bench.methods.method import Between, Place, Weights
from lox_bench.ranges import Range

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class WiseFt:
    """Average the attacked model with the one that was attacked (WiSE-FT, arXiv 2109.01903).

    ``(1 - alpha) * start + alpha * tuned`` for every floating-point tensor. The paper's zero-shot
    model is here the model that the attack started from: the aligned one after all methods that
    came before the attack, so that ``lox+wise-ft`` returns towards the hardened model. ``alpha``
    1 keeps the attacked weights and 0 the start's, bit for bit.
    """

    place: ClassVar[Place] = Place.AFTER
    search: ClassVar[Mapping[str, Between]] = {
        "alpha": Between(0, 1),
    }

    alpha: Annotated[float, Range(0, 1)] = 0.5

    def tensor(self, name: str, w: Weights) -> "Tensor":
        """See ``TensorMethod``.

        Raises:
            NonFiniteError: a weight holds NaN or infinity.
        """
        del name
        if self.alpha == 1.0 or w.start is w.tuned:
            return w.tuned
        return w.start if self.alpha == 0.0 else average(w.start, w.tuned, self.alpha)


def average(start: "Tensor", tuned: "Tensor", alpha: float) -> "Tensor":
    """``(1 - alpha) * start + alpha * tuned`` of any shape, rounded once to the type of ``tuned``.

    Computed in float32, or in float64 if the weights are. Entries that are equal stay as they are.

    Raises:
        NonFiniteError: a weight holds NaN or infinity.
    """
    import torch

    from lox_bench.errors import NonFiniteError
    from lox_bench.weights.lox import all_finite

    wide = torch.promote_types(tuned.dtype, torch.float32)
    mixed = torch.lerp(start.to(wide), tuned.to(wide), alpha)
    if not all_finite(mixed):
        raise NonFiniteError("the weights hold NaN or infinity")
    return mixed.to(tuned.dtype)
