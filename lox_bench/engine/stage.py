"""A stage: anything that is made once and stored.

A stage is a frozen dataclass. Its fields are its identity; fields that are stages are its inputs.
It holds all it needs, so it can be pickled and built by any process that has a store.
"""

import hashlib
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum, StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from lox_bench.codec import hash_of
from lox_bench.engine.resources import Resources

if TYPE_CHECKING:
    from lox_bench.engine.context import Context, Inputs

Facts = Mapping[str, Any]
_LATER: Final = "later"
# ``field(default=..., metadata=LATER)`` came after results were stored: while it holds its default,
# which must be what was done before, it is not in the key.
LATER: Final[Mapping[str, bool]] = {_LATER: True}


class Keep(StrEnum):
    """How long an artifact stays when the disk is to be spared."""

    ALWAYS = "always"  # small, or what a run reports
    DEAR = "dear"  # weights that took a download or a training
    CHEAP = "cheap"  # weights that are made again in seconds


@dataclass(frozen=True, slots=True)
class Effort:
    """How much work a stage is, in ``units`` of its own kind; only equal ``scale`` compares."""

    units: float = 1.0
    scale: str = ""


@dataclass(frozen=True)
class Text:
    """Content that a stage carries with it, known by its hash."""

    text: str

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the UTF-8 bytes."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class Stage(ABC):
    """Root of all stages. A field with ``compare=False`` (a title, a place) is no identity."""

    kind: ClassVar[str]
    version: ClassVar[int] = 1
    keep: ClassVar[Keep] = Keep.ALWAYS

    @abstractmethod
    def build(self, inputs: "Inputs", out: Path, context: "Context") -> Facts:
        """Fill the empty folder ``out``; the facts go into the artifact's manifest."""

    @property
    def title(self) -> str:
        """What a display shows while the stage is made."""
        return self.kind

    @cached_property
    def inputs(self) -> tuple["Stage", ...]:
        """The stages whose artifacts ``build`` reads, in the order of the fields."""
        return tuple(dict.fromkeys(stages_in([getattr(self, slot.name) for slot in fields(self)])))

    @property
    def maker(self) -> "Stage | None":
        """The stage in whose course this one can be made as well (a snapshot of a training)."""
        return None

    @property
    def affinity(self) -> str:
        """Stages of one affinity use one loaded model: they are run back to back."""
        return ""

    @property
    def effort(self) -> Effort:
        """For forecasts."""
        return Effort()

    def resources(self, size: int) -> Resources:
        """What ``build`` takes, where the largest of its inputs has ``size`` bytes."""
        del size
        return Resources()

    @cached_property
    def key(self) -> str:
        """A name for the stage and everything upstream of it."""
        return hash_of(describe(self))

    def __eq__(self, other: object) -> bool:
        """Equal stages make equal artifacts."""
        return isinstance(other, Stage) and (self.kind, self.key) == (other.kind, other.key)

    def __hash__(self) -> int:
        """By key."""
        return hash(self.key)

    def __getstate__(self) -> dict[str, Any]:
        """The fields only: a key is computed where it is needed, by the code that is there."""
        return {slot.name: getattr(self, slot.name) for slot in fields(self)}


def stages_in(value: Any) -> Iterator[Stage]:
    """The stages in a field's value, also inside tuples and plain dataclasses."""
    if isinstance(value, str | int | float | None):  # most are; a judge has hundreds of phrases
        return
    if isinstance(value, Stage):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from stages_in(item)
    elif is_dataclass(value) and not isinstance(value, type | Text):
        for slot in fields(value):
            yield from stages_in(getattr(value, slot.name))


def describe(stage: Stage) -> dict[str, Any]:
    """A stage's identity as plain data; stages in it stand as their keys."""
    identity: dict[str, Any] = {"kind": stage.kind, "version": stage.version}
    if not _is_ours(type(stage)):  # its version is its author's affair: a file may just change
        identity["is"] = _class_name(type(stage))
    return identity | _fields(stage)


def plain(value: Any) -> Any:
    """Any field's value as plain data.

    Raises:
        TypeError: the value has no stable description.
    """
    if isinstance(value, Stage | Text | Enum):
        return _atom(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {"is": _class_name(type(value)), **_fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"a stage cannot hold {type(value).__name__} {value!r}")


def _atom(value: "Stage | Text | Enum") -> Any:
    if isinstance(value, Stage):
        return value.key
    return {"sha256": value.sha256} if isinstance(value, Text) else value.value


def _fields(value: Any) -> dict[str, Any]:
    held = {slot: getattr(value, slot.name) for slot in fields(value) if slot.compare}
    return {
        slot.name: plain(item)
        for slot, item in held.items()
        if _LATER not in slot.metadata or item != slot.default
    }


def _class_name(cls: type) -> str:
    """A class of ours by its name, another's with its module, one of a file with its content."""
    module = cls.__module__
    if _is_ours(cls):
        return cls.__qualname__
    content = getattr(sys.modules.get(module), "__sha256__", None)
    return f"{content or module}:{cls.__qualname__}"


def _is_ours(cls: type) -> bool:
    return cls.__module__.startswith("lox_bench.")
