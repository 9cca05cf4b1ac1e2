"""Attacks as TOML files say them."""

from dataclasses import dataclass, field

from lox_bench.data.spec import DataSpec
from lox_bench.registry import Kind, load_spec
from lox_bench.training.spec import TrainSpec


@dataclass(frozen=True, slots=True)
class AttackScale:
    """How a family scales attacks made for 7B models to its own size; 0 keeps the attack's own."""

    learning_rate: float = 1.0  # a factor
    epochs: float = 0
    batch_size: int = 0
    micro_batch_size: int = 0
    warmup_steps: int = -1
    max_rows: int = 0


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """Where ``--attack-search`` looks: factors of the family's learning rate, whole epochs."""

    lr_low: float = 0.2
    lr_high: float = 5.0
    epochs_low: int = 1
    epochs_high: int = 4


@dataclass(frozen=True, slots=True)
class AttackSpec:
    """Supervised fine-tuning that may wash the alignment out; ``{column}`` formats a row."""

    name: str
    description: str
    data: DataSpec
    prompt: str
    completion: str
    train: TrainSpec
    max_rows: int = 0
    utility: str = ""
    search: SearchSpace = field(default_factory=SearchSpace)


def load_attack(name: str) -> AttackSpec:
    """Read an attack by name, or from a TOML file; see ``registry.load_spec``."""
    return load_spec(AttackSpec, Kind.ATTACKS, name, ("data.file", "data.standin", "utility"))
