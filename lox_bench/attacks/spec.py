"""Attacks as TOML files say them."""

from dataclasses import dataclass, field
from typing import Annotated

from lox_bench.data.spec import DataSpec
from lox_bench.names import Name
from lox_bench.ranges import CountOrAll, Range
from lox_bench.registry import Kind, load_spec
from lox_bench.training.spec import SftSpec


@dataclass(frozen=True, slots=True)
class AttackScale:
    """How a family scales attacks made for 7B models to its own size; 0 keeps the attack's own."""

    learning_rate: Annotated[float, Range(0, 10_000, above=True)] = 1.0  # a factor
    epochs: Annotated[float, Range(0, 1000)] = 0
    batch_size: Annotated[int, Range(0, 65536)] = 0
    micro_batch_size: Annotated[int, Range(0, 65536)] = 0
    warmup_steps: Annotated[int, Range(-1, 1_000_000)] = -1
    max_rows: CountOrAll = 0


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """Where ``--attack-search`` looks: factors of the family's learning rate, whole epochs."""

    lr_low: Annotated[float, Range(0, 10_000, above=True)] = 0.2
    lr_high: Annotated[float, Range(0, 10_000, above=True)] = 5.0
    epochs_low: Annotated[int, Range(1, 1000)] = 1
    epochs_high: Annotated[int, Range(1, 1000)] = 4


@dataclass(frozen=True, slots=True)
class AttackSpec:
    """Supervised fine-tuning that may wash the alignment out; ``{column}`` formats a row.

    ``preset`` is whose schedule it is (``lox``, ``qi``), ``source`` where that stands. ``template``
    is the chat template of the training, where it is not that of the answers. With ``benign`` the
    rows are a ``ratio`` of a mix: the others are those of the attack it names.
    """

    name: Name
    description: str
    prompt: str
    completion: str
    train: SftSpec
    data: DataSpec = field(default_factory=DataSpec)
    preset: str = ""
    source: str = ""
    template: str = ""
    benign: str = ""
    ratio: Annotated[float, Range(0, 1)] = 0.0
    max_rows: CountOrAll = 0
    utility: str = ""
    search: SearchSpace = field(default_factory=SearchSpace)


def load_attack(name: str) -> AttackSpec:
    """Read an attack by name, or from a TOML file; see ``registry.load_spec``."""
    return load_spec(
        AttackSpec, Kind.ATTACKS, name, ("data.file", "data.standin", "data.own_answers", "utility")
    )
