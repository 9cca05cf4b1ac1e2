"""The recipe algebra: every model under test is a frozen value with a stable key.

``Source`` weights may be ``Aligned``, then ``Hardened``, then ``Attacked`` (a ``Snapshot`` is taken
on the way); each value holds the values it is made from, and its key hashes all of them with the
version of the stage's code. Two runs that mean the same model therefore share its checkpoint, and
none shares by accident. ``Control`` models are what LoX is compared with; ``Truncated`` and
``Perturbed`` ones probe it.
"""

from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

from lox_bench.alignment.spec import DpoSpec
from lox_bench.codec import hash_of
from lox_bench.training.spec import TrainSpec


@dataclass(frozen=True, slots=True)
class Source:
    """Weights as published: ``identity`` pins their content (hash or commit), not their place."""

    stage: ClassVar[str] = "source"
    version: ClassVar[int] = 1

    uri: str
    identity: str
    dtype: str


@dataclass(frozen=True, slots=True)
class Aligned:
    """A base model after DPO on pairs; ``data`` names and pins (sha256) what they rest on."""

    stage: ClassVar[str] = "align"
    version: ClassVar[int] = 1

    base: "Recipe"
    dpo: DpoSpec
    data: tuple[tuple[str, str], ...]
    template: str
    seed: int
    max_steps: int | None
    dtype: str


@dataclass(frozen=True, slots=True)
class Hardened:
    """LoX of an aligned model: ``k = None`` is full rank."""

    stage: ClassVar[str] = "harden"
    version: ClassVar[int] = 2  # 2: truncated decomposition with a certificate

    base: "Recipe"
    aligned: "Recipe"
    k: int | None
    alpha: float


@dataclass(frozen=True, slots=True)
class Attacked:
    """A model after supervised fine-tuning on rows of ``data`` (``data_sha256`` pins them)."""

    stage: ClassVar[str] = "attack"
    version: ClassVar[int] = 1

    model: "Recipe"
    attack: str
    prompt: str
    completion: str
    train: TrainSpec
    data: str
    data_sha256: str
    max_rows: int
    template: str
    seed: int
    max_steps: int | None
    dtype: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A model in the midst of an attack: the weights after ``step`` optimiser steps of it."""

    stage: ClassVar[str] = "snapshot-weights"
    version: ClassVar[int] = 1

    attacked: Attacked
    step: int


@dataclass(frozen=True, slots=True)
class Control:
    """An extrapolation that is not LoX; ``rule`` is a name of ``hardening.controls.RULES``."""

    stage: ClassVar[str] = "control"
    version: ClassVar[int] = 1

    base: "Recipe"
    aligned: "Recipe"
    rule: str
    k: int | None
    alpha: float
    seed: int


@dataclass(frozen=True, slots=True)
class Truncated:
    """The base plus the top ``rank`` directions of its alignment (arXiv 2506.15606, section 3)."""

    stage: ClassVar[str] = "truncate"
    version: ClassVar[int] = 1

    base: "Recipe"
    aligned: "Recipe"
    rank: int


@dataclass(frozen=True, slots=True)
class Towards:
    """The direction in weight space from one model to another."""

    stage: ClassVar[str] = "towards"
    version: ClassVar[int] = 1

    origin: "Recipe"
    target: "Recipe"


@dataclass(frozen=True, slots=True)
class Anywhere:
    """A random direction; ``norm`` says what is scaled to the weights' norm: filter or tensor."""

    stage: ClassVar[str] = "anywhere"
    version: ClassVar[int] = 1

    seed: int
    norm: str


Direction = Towards | Anywhere


@dataclass(frozen=True, slots=True)
class Perturbed:
    """A model moved ``steps[i]`` times along ``directions[i]``.

    The second of two directions is first made orthogonal to the first (over all weights).
    """

    stage: ClassVar[str] = "perturb"
    version: ClassVar[int] = 1

    model: "Recipe"
    directions: tuple[Direction, ...]
    steps: tuple[float, ...]


Recipe = Source | Aligned | Hardened | Attacked | Snapshot | Control | Truncated | Perturbed

# Made in seconds and wanted by the dozen: measured, then forgotten (unless an attack needs them).
EPHEMERAL = (Truncated, Perturbed)

_KEYED = (
    Source, Aligned, Hardened, Attacked, Snapshot, Control, Truncated, Perturbed, Towards, Anywhere
)  # fmt: skip


def key_of(recipe: Recipe | Direction) -> str:
    """A stable name for a recipe and everything upstream of it."""
    return hash_of(describe(recipe))


def describe(recipe: Recipe | Direction) -> dict[str, Any]:
    """The recipe as plain data, its parts replaced by their keys."""
    plain: dict[str, Any] = {"stage": recipe.stage, "version": recipe.version}
    for slot in fields(recipe):
        value = getattr(recipe, slot.name)
        if isinstance(value, _KEYED):
            plain[slot.name] = key_of(value)
        elif slot.name == "directions":
            plain[slot.name] = [key_of(direction) for direction in value]
        elif hasattr(value, "__dataclass_fields__"):
            plain[slot.name] = asdict(value)
        else:
            plain[slot.name] = value
    if isinstance(recipe, Source):
        del plain["uri"]  # where it came from does not change what it is
    return plain
