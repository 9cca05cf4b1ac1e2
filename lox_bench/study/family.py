"""Families: a base, how its aligned model comes about, template and sizes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lox_bench.alignment.spec import AlignSpec
from lox_bench.attacks.spec import AttackScale
from lox_bench.backends.template import TOKENIZER_TEMPLATE
from lox_bench.codec import parse, read_toml
from lox_bench.registry import load_packaged


@dataclass(frozen=True, slots=True)
class LoxSpec:
    """Default LoX hyper-parameters; ``k = 0`` in TOML means full rank."""

    k: int
    alpha: float


@dataclass(frozen=True, slots=True)
class FamilySpec:
    """A base model, its aligned counterpart and everything they are used with."""

    name: str
    description: str
    base: str
    align: AlignSpec
    lox: LoxSpec
    template: str = TOKENIZER_TEMPLATE
    dtype: str = "bfloat16"
    attack_scale: AttackScale = field(default_factory=AttackScale)

    def defaults_of(self, method: str) -> Mapping[str, Any]:
        """Arguments this family wants a method to have where the user gives none."""
        return {"k": self.lox.k or None, "alpha": self.lox.alpha} if method == "lox" else {}


def load_family(name: str) -> FamilySpec:
    """Read a family by name, or from a TOML file of the user's (``mine.toml``)."""
    if name.endswith(".toml"):
        return parse(FamilySpec, read_toml(Path(name).expanduser()), where=name)
    return load_packaged(FamilySpec, "families", "family", name)
