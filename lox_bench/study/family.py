"""Families: a base, how its aligned model comes about, template and sizes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final

from lox_bench.alignment.spec import AlignSpec
from lox_bench.attacks.spec import AttackScale
from lox_bench.backends.template import TOKENIZER_TEMPLATE
from lox_bench.errors import UnknownNameError
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

    ``parameters`` in thousand millions; 0: not said. ``rungs`` names other published weights of
    the same shape (``sft``, ``dpo``), which may take the place of either.
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
    rungs: Mapping[str, str] = field(default_factory=dict)

    def defaults_of(self, method: type) -> dict[str, Any]:
        """What the family says of a method's arguments: values, by name."""
        if getattr(method, "family_defaults", "") != _LOX:
            return {}
        return {"k": self.lox.k or None, "alpha": self.lox.alpha}


def on_rungs(family: FamilySpec, base: str, aligned: str) -> FamilySpec:
    """The family with other weights as its base or aligned model; empty: its own.

    Its name says so: ``olmo2-1b@sft-dpo``.

    Raises:
        UnknownNameError: a text is none of the family's rungs, and no path, hub id or wheel.
    """
    if not base and not aligned:
        return family
    names = [_label(base, "base"), _label(aligned, "aligned")]
    return replace(
        family,
        name=Name(f"{family.name}@{'-'.join(names)}"),
        base=_weights(family, base) if base else family.base,
        align=AlignSpec(source=_weights(family, aligned)) if aligned else family.align,
    )


def _weights(family: FamilySpec, text: str) -> str:
    if text in family.rungs:
        return family.rungs[text]
    if "/" not in text:
        known = [*family.rungs, "a path", "hf://org/name"]
        raise UnknownNameError(f"rung of {family.name}", text, known)
    return text


def _label(text: str, default: str) -> str:
    """A rung's name, or the last part of a path or hub id, as a name holds it."""
    last = text.partition("#")[0].rstrip("/").rsplit("/", maxsplit=1)[-1]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", last) or default


def load_family(name: str) -> FamilySpec:
    """Read a family by name, or from a TOML file (``mine.toml``); see ``registry.load_spec``."""
    return load_spec(FamilySpec, Kind.FAMILIES, name, _FILES)
