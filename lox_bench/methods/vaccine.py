"""Vaccine: an alignment that withstands moves of its hidden states."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from lox_bench.engine.stage import Stage
from lox_bench.errors import UsageError
from lox_bench.methods.method import Models, Need, NoneIs, Place
from lox_bench.methods.realign import Schedule, realigned
from lox_bench.ranges import Range

if TYPE_CHECKING:
    from torch import Tensor

    from lox_bench.attacks.terms import Part, Start, Step

_TINY: Final = 1e-7  # the reference's, so that a gradient of zero divides nothing


@dataclass(frozen=True, slots=True)
class Vaccine:
    """Align under perturbed hidden states, so that an attack moves them less (arXiv 2402.01109).

    SFT on what the family's alignment teaches (refusals and benign answers). Each step runs twice:
    once for the gradients g_l of the loss with respect to the output of every attention module,
    once with these outputs moved by ``rho`` g_l / ||g||, one norm over all layers and tokens of the
    batch, and the weights descend there.

    The paper starts from the model before alignment and takes this for its alignment. Here a method
    before the attack starts from the aligned model, as all of its kind do, so that they compare:
    ``start="aligned"``. ``start="base"`` is the paper's; it then takes more ``steps`` than the
    default, which is one pass over 320 rows. Where the outputs are moved and by how much is what
    git-disl/Vaccine does; it trains LoRA adapters, and this all weights. ``rho`` 2 is its README's.
    """

    place: ClassVar[Place] = Place.BEFORE
    needs: ClassVar[Need] = Need.ANSWERS

    rho: Annotated[float, Range(0, 1000)] = 2.0
    steps: Annotated[int, Range(1, 1_000_000)] = 20
    batch: Annotated[int, Range(1, 65536)] = 16
    lr: Annotated[float | None, Range(0, 1, above=True), NoneIs("alignment")] = None
    start: Literal["aligned", "base"] = "aligned"

    def stage(self, models: Models) -> Stage:
        """See ``StageMethod``."""
        first = models.aligned if self.start == "aligned" else models.base
        schedule = Schedule(self.steps, self.batch, self.lr)
        return realigned(first, models, Perturbed(self.rho), schedule, "vaccine")


@dataclass(frozen=True, slots=True)
class Perturbed:
    """Cross-entropy where the outputs of attention are moved uphill by ``rho`` in all."""

    rho: float

    def begin(self, start: "Start") -> "Part":
        """See ``attacks.terms.Term``."""
        modules = attention_modules(start.model)

        def loss(step: "Step") -> "Tensor":
            moves = uphill(step, modules, self.rho)
            with moved(modules, moves):
                return _loss(step)

        return loss


def attention_modules(model: Any) -> list[Any]:
    """The attention modules of a transformer, in order.

    Raises:
        UsageError: it has none that transformers calls so.
    """
    found = [
        module
        for module in model.modules()
        if type(module).__name__.endswith("Attention") and any(True for _ in module.children())
    ]
    if not found:
        raise UsageError(
            f"vaccine moves the outputs of attention modules, and {type(model).__name__} has none "
            "whose class is called ...Attention"
        )
    return found


def uphill(step: "Step", modules: "Sequence[Any]", rho: float) -> "list[Tensor]":
    """``rho * g_l / ||g||`` for the output of each module, shaped as it.

    ||g|| is the norm of all g_l together.
    """
    import torch

    caught: list[Tensor] = []

    def catch(_module: Any, _inputs: Any, output: Any) -> None:
        caught.append(output[0] if isinstance(output, tuple) else output)

    hooks = [module.register_forward_hook(catch) for module in modules]
    try:
        loss = _loss(step)
    finally:
        for hook in hooks:
            hook.remove()
    slopes = torch.autograd.grad(loss, caught)
    norms = torch.stack([torch.linalg.vector_norm(slope.float()) for slope in slopes])
    factor = rho / (torch.linalg.vector_norm(norms) + _TINY)
    return [slope * factor.to(slope.dtype) for slope in slopes]


@contextmanager
def moved(modules: "Sequence[Any]", moves: "Sequence[Tensor]") -> Iterator[None]:
    """Within, the output of each module is moved."""

    def mover(move: "Tensor") -> Any:
        def add(_module: Any, _inputs: Any, output: Any) -> Any:
            if isinstance(output, tuple):
                return (output[0] + move, *output[1:])
            return output + move

        return add

    pairs = zip(modules, moves, strict=True)
    hooks = [module.register_forward_hook(mover(move)) for module, move in pairs]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _loss(step: "Step") -> "Tensor":
    """Cross-entropy by a forward pass of its own."""
    from dataclasses import replace

    from lox_bench.attacks.terms import cross_entropy

    return cross_entropy(replace(step))
