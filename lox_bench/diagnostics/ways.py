"""Where one can go from a model in weight space."""

from dataclasses import dataclass

from lox_bench.engine.stage import Stage


@dataclass(frozen=True, slots=True)
class Towards:
    """The direction in weight space from one model to another."""

    origin: Stage
    target: Stage


@dataclass(frozen=True, slots=True)
class Anywhere:
    """A random direction; ``norm`` says what is scaled to the weights' norm: filter or tensor."""

    seed: int
    norm: str


Direction = Towards | Anywhere
