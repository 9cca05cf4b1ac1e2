"""RESTA: the alignment vector added again after the attack, perhaps to a thinned update."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Annotated, ClassVar

from lox_bench.methods.method import Between, NoneIs, Place, Weights
from lox_bench.ranges import Range

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True, slots=True)
class Resta:
    """Add the safety vector to the attacked model (RESTA, arXiv 2402.11746; DARE, 2311.03099).

    ``S + D(tuned - S) + gamma * (aligned - base)`` for every floating-point tensor, S the model
    that was attacked. D drops each entry with probability ``dare`` and divides those that stay by
    1 - ``dare``; with ``dare`` 0, the default, it is the identity, so that plain RESTA is
    ``tuned + gamma * (aligned - base)``. With 1 nothing of the update is left.

    Differs from the paper: its safety vector is the aligned model less the aligned model after
    fine-tuning on harmful answers. lox-bench ships no such answers, so the vector here is the
    whole alignment, which also holds whatever else alignment taught. ``gamma`` therefore is on
    another scale than the paper's. ``aligned`` is the family's aligned model, also after LoX.

    Which entries are dropped depends on the seed and the tensor's name alone, not on the order of
    the files; DARE's code (yule-BUAA/MergeLM) draws them from one stream. ``seed = None`` asks for
    the study's method seed.
    """

    place: ClassVar[Place] = Place.AFTER
    search: ClassVar[Mapping[str, Between]] = {
        "gamma": Between(0.1, 2, log=True),
    }

    gamma: Annotated[float, Range(-100, 100)] = 0.5
    dare: Annotated[float, Range(0, 1)] = 0.0
    seed: Annotated[int | None, Range(0, inf), NoneIs("study")] = None

    def tensor(self, name: str, w: Weights) -> "Tensor":
        """See ``TensorMethod``; without a seed it is that of seed 0.

        Raises:
            NonFiniteError: a weight holds NaN or infinity, or the result leaves its type's range.
        """
        from lox_bench.weights.controls import generator_of
        from lox_bench.weights.pieces import by_pieces

        thins = self.dare > 0.0 and w.start is not w.tuned
        adds = self.gamma != 0.0 and w.base is not w.aligned
        if not thins and not adds:
            return w.tuned
        generator = generator_of(self.seed or 0, name)

        def rule(base: "Tensor", aligned: "Tensor", start: "Tensor", tuned: "Tensor") -> "Tensor":
            made = start + thinned(tuned - start, self.dare, generator) if thins else tuned
            return made + self.gamma * (aligned - base) if adds else made

        return by_pieces([w.base, w.aligned, w.start, w.tuned], rule)


def thinned(update: "Tensor", rate: float, generator: "Generator") -> "Tensor":
    """DARE: entries dropped with probability ``rate``, the others divided by ``1 - rate``.

    Args:
        update: of any shape, float32 or float64.
        rate: 0 to 1; with 1 all are dropped.
        generator: drawn from once an entry, in the order of the tensor.
    """
    import torch

    if rate >= 1.0:
        return torch.zeros_like(update)
    kept = torch.rand(update.shape, generator=generator) >= rate
    thin: Tensor = update * kept / (1.0 - rate)
    return thin
