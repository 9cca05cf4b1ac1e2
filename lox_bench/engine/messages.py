"""What workers and the process that sends them work tell each other; all of it can be pickled."""

import pickle
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

from lox_bench.errors import StoreError


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception on its way to another process, with the traceback of the one it rose in."""

    cls: type[Exception]
    args: tuple[Any, ...]
    state: Mapping[str, Any]
    trace: str

    @classmethod
    def of(cls, error: Exception) -> Self:
        """Pack an exception; one that cannot be pickled becomes a ``RuntimeError`` of its text."""
        trace = "".join(traceback.format_exception(error))
        packed = cls(type(error), error.args, dict(error.__dict__), trace)
        try:
            pickle.dumps(packed)
        except Exception:  # noqa: BLE001 - whatever its author's __reduce__ raises
            return cls(RuntimeError, (f"{type(error).__name__}: {error}",), {}, trace)
        return packed

    def error(self) -> Exception:
        """The exception again, its worker's traceback as a note."""
        error = self.cls.__new__(self.cls)  # its __init__ takes what it likes
        error.args = self.args
        error.__dict__.update({k: v for k, v in self.state.items() if k != "__notes__"})
        error.add_note(f"in a worker:\n{self.trace}")
        return error


@dataclass(frozen=True, slots=True)
class Begun:
    """Stage ``index`` of a bundle is being made."""

    index: int


@dataclass(frozen=True, slots=True)
class Step:
    """How far that stage is."""

    done: int
    total: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Made:
    """What became of stage ``index``: made, or not.

    ``delivered`` are keys of what was made on the way, ``gone`` those of inputs that were not
    there, ``told`` what objects of the session counted meanwhile.
    """

    index: int
    partial: bool = False
    delivered: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    failure: Failure | None = None
    told: Mapping[type, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Said:
    """A line for the user."""

    line: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The worker is through with its bundle."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The worker is no more; ``why`` names it and says what ended it."""

    why: str


Message = Begun | Step | Made | Said | Ended | Lost


class Shared(Protocol):
    """An object of the session (see ``Context.extras``) that other processes have a copy of."""

    def away(self) -> "MakeCopy":
        """Makes a copy in another process, given the root of the store there."""

    def parts(self) -> Mapping[type, Any]:
        """What of it is an object of the session in its own right."""

    def told(self) -> Any:
        """What this copy has counted since it was asked last."""

    def hear(self, told: Any) -> None:
        """Add what a copy has counted."""


class MakeCopy(Protocol):
    """Can be pickled."""

    def __call__(self, root: Path, /) -> Shared:
        """The copy."""


def with_parts(shared: Mapping[type, Shared]) -> dict[type, Any]:
    """Objects of the session, and those that are parts of them; see ``Context.extras``."""
    held: dict[type, Any] = dict(shared)
    for item in shared.values():
        held |= item.parts()
    return held


class WorkerLostError(StoreError):
    """Workers died at one stage again and again."""
