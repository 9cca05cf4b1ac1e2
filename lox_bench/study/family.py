"""Families: a base, how its aligned model comes about, template and sizes."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from lox_bench.alignment.spec import AlignSpec
from lox_bench.attacks.spec import AttackScale
from lox_bench.backends.template import TOKENIZER_TEMPLATE
from lox_bench.names import Name
from lox_bench.ranges import CountOrAll, OneOf, Range, Tokens
from lox_bench.registry import Kind, load_spec

_LOX: Final = "lox"
_FILES: Final = tuple(
    f"align.dpo.{key}" for key in ("harmful", "benign", "data.file", "data.standin")
)


@dataclass(frozen=True, slots=True)
class LoxSpec:
    """Default LoX hyper-parameters; ``k = 0`` in TOML means full rank."""

    k: CountOrAll
    alpha: Annotated[float, Range(-100, 100)]


@dataclass(frozen=True, slots=True)
class FamilySpec:
    """A base model, its aligned counterpart and everything they are used with.

    ``parameters`` in thousand millions; 0: not said.
    """

    name: Name
    description: str
    base: str
    align: AlignSpec
    lox: LoxSpec
    template: str = TOKENIZER_TEMPLATE
    parameters: Annotated[float, Range(0, 100_000)] = 0.0
    license: str = ""
    dtype: Annotated[str, OneOf("float32", "bfloat16", "float16")] = "bfloat16"
    max_new_tokens: Tokens = 512  # of answers to prompt sets that set no length of their own
    attack_scale: AttackScale = field(default_factory=AttackScale)

    def defaults_of(self, method: type) -> dict[str, Any]:
        """What the family says of a method's arguments: values, by name."""
        if getattr(method, "family_defaults", "") != _LOX:
            return {}
        return {"k": self.lox.k or None, "alpha": self.lox.alpha}


def load_family(name: str) -> FamilySpec:
    """Read a family by name, or from a TOML file (``mine.toml``); see ``registry.load_spec``."""
    return load_spec(FamilySpec, Kind.FAMILIES, name, _FILES)
