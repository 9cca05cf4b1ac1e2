"""What a back end loads to have a model: its own weights, or others that adapters go over."""

from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

from lox_bench.backends.backend import Backend, hosts
from lox_bench.engine.stage import Stage

SERVED: Final = "served"  # what became of a model's adapters, in the facts of a stage
MERGED: Final = "merged"


@dataclass(frozen=True, slots=True)
class Over:
    """A model as ``base`` with a LoRA adapter over it (a PEFT folder) of at most ``rank``."""

    base: Stage
    adapter: Stage
    rank: int


@runtime_checkable
class Adapted(Protocol):
    """A stage of weights that may be another's, and an adapter over them."""

    @property
    def over(self) -> Over | None:
        """Those; ``None`` where the weights are all that there is."""


@dataclass(frozen=True, slots=True)
class Load:
    """Weights to be loaded, adapters over them in the order they came about, and their rank.

    ``rank`` is that of their sum, at most.
    """

    model: Stage
    adapters: tuple[Stage, ...] = ()
    rank: int = 0


def load_of(model: Stage, backend: Backend) -> Load:
    """What ``backend`` loads for a model; adapters are merged beforehand unless it serves them."""
    found = Load(model)
    while serves_adapters(backend) and (over := _over(found.model)) is not None:
        found = Load(over.base, (over.adapter, *found.adapters), found.rank + over.rank)
    return found


def serves_adapters(backend: Backend) -> bool:
    """Whether a back end takes adapters over what it has loaded; see ``backend.Host``."""
    options: Any = getattr(backend, "options", None)
    return hosts(backend) and bool(options.adapters)


def _over(model: Stage) -> Over | None:
    return model.over if isinstance(model, Adapted) else None
