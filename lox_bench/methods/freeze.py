"""Layers that do not move."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Final

from lox_bench.errors import UsageError
from lox_bench.methods.method import NoneIs, Place

if TYPE_CHECKING:
    from lox_bench.attacks.job import SftJob

_SPAN: Final = re.compile(r"(\d{1,6})-(\d{1,6})")
_LAYER: Final = re.compile(r"(?:^|\.)(?:layers|h|blocks|block)\.(\d+)\.([^.]+)")
_NORMS: Final = ("norm", "ln")  # in the names of modules that are not frozen
_FIRST, _END, _DEPTH = 5, 15, 32  # the safety layers of Llama-2-7B: 5 to 14, counted from 0


@dataclass(frozen=True, slots=True)
class Freeze:
    """Freeze the middle layers that safety is said to sit in (SPPFT, arXiv 2408.17003).

    Attention and MLP of ``layers`` (``6-12``: both ends, counted from 0) do not move; norms,
    embeddings and all other layers do. ``scaled`` takes Llama-2-7B's layers 5 to 14 of 32 at the
    model's own depth: ``round(5/32 depth)`` to ``round(15/32 depth) - 1``, at least one layer. Of
    LoRA, the adapters in these layers stay at nothing.

    The paper finds the layers of each model by their outputs and by over-rejection; here they are
    scaled or given, not searched. Its code (listen0425/Safety-Layers) could not be read; 5 to 14
    is what SafeTune's copy freezes. The paper speaks of the layers' parameters, norms among them,
    which are less than 0.01 % of a layer.
    """

    place: ClassVar[Place] = Place.DURING

    layers: Annotated[str | None, NoneIs("scaled")] = None

    def __post_init__(self) -> None:
        """Refuse what names no layers.

        Raises:
            UsageError: it is not of the form ``6-12``, or ends before it begins.
        """
        if self.layers is not None:
            self._named()

    def prepare(self, job: "SftJob") -> "SftJob":
        """The training with these layers frozen, and what was frozen before.

        Raises:
            UsageError: the model has no such layer, or names its layers in no known way.
        """
        from lox_bench.sources.loading import empty_model

        model = empty_model(job.source)
        depth = int(model.config.get_text_config().num_hidden_layers)
        first, last = scaled_layers(depth) if self.layers is None else self._named()
        if last >= depth:
            raise UsageError(
                f"freeze(layers={self.layers}): the model has {depth} layers, 0-{depth - 1}"
            )
        frozen = Frozen(first, last)
        if not any(frozen(name) for name, _ in model.named_parameters()):
            raise UsageError(
                f"freeze: no parameter of {type(model).__name__} is named by its layer"
            )
        return replace(job, frozen=replace(frozen, before=job.frozen))

    def _named(self) -> tuple[int, int]:
        found = _SPAN.fullmatch(self.layers or "")
        if found is None or int(found[1]) > int(found[2]):
            raise UsageError(
                f"layers must be 'scaled', or the first and last layer to freeze, counted from 0, "
                f"as in 6-12, not {self.layers!r}"
            )
        return int(found[1]), int(found[2])


@dataclass(frozen=True, slots=True)
class Frozen:
    """Which parameters do not move: attention and MLP of layers, and those of ``before``."""

    first: int
    last: int
    before: Callable[[str], bool] | None = None

    def __call__(self, name: str) -> bool:
        """Whether the parameter of this name is frozen."""
        if self.before is not None and self.before(name):
            return True
        found = _LAYER.search(name)
        if found is None or not self.first <= int(found[1]) <= self.last:
            return False
        module = found[2].lower()
        return not (_NORMS[0] in module or module.startswith(_NORMS[1]))


def scaled_layers(depth: int) -> tuple[int, int]:
    """First and last safety layer of a model of this depth, after Llama-2-7B's."""
    first = round(_FIRST * depth / _DEPTH)
    return first, max(first, round(_END * depth / _DEPTH) - 1)
