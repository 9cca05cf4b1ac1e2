"""What the value of a field may be, said beside its type and checked when it is read.

alpha: Annotated[float, Range(0, 1)] = 0.5
schedule: Annotated[str, OneOf("linear", "cosine")] = "linear"
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Annotated, Any, Final, get_args, get_origin

from lox_bench.names import is_name

MOST: Final = 1_000_000_000  # of anything counted
MOST_RANK: Final = 1_000_000  # no matrix has more rows
MOST_SEED: Final = 2**32 - 1  # what numpy and transformers take


@dataclass(frozen=True, slots=True)
class Range:
    """What a number may be; the ends are allowed unless ``above`` says otherwise."""

    low: float
    high: float
    above: bool = False  # low itself is not allowed

    def holds(self, value: float) -> bool:
        """Whether ``value`` lies in the range."""
        return (self.low < value if self.above else self.low <= value) and value <= self.high

    def __str__(self) -> str:
        """``0 to 1``, ``at least 1``, or ``above 0, at most 1``."""
        if not self.above and isfinite(self.high):
            return f"{self.low:g} to {self.high:g}"
        low = f"above {self.low:g}" if self.above else f"at least {self.low:g}"
        return f"{low}, at most {self.high:g}" if isfinite(self.high) else low


class OneOf(tuple[str, ...]):
    """The words that a text may be."""

    __slots__ = ()

    def __new__(cls, *words: str) -> "OneOf":  # noqa: D102, PYI034 - the class says it
        return super().__new__(cls, words)


class _Names:
    """Every key of a mapping, or every item of a list, is a ``Name``."""


class _Hashes:
    """Every item of a list is a SHA-256."""


NAMES: Final = _Names()
HASHES: Final = _Hashes()
_SHA256: Final = re.compile("[0-9a-f]{64}")
Seed = Annotated[int, Range(0, MOST_SEED)]
Count = Annotated[int, Range(1, MOST)]
CountOrAll = Annotated[int, Range(0, MOST)]  # 0: no limit
Tokens = Annotated[int, Range(1, 1_000_000)]


def bare(hint: Any) -> Any:
    """The type of an annotated hint."""
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def unfit(hint: Any, value: Any) -> str:
    """What was wanted, if a value of the right type is out of its range; empty if it is in it."""
    for mark in _marks(hint):
        if isinstance(mark, OneOf) and value is not None and value not in mark:
            return f"one of {', '.join(mark)}"
        if isinstance(mark, Range) and _is_number(value) and not mark.holds(value):
            return str(mark)
        if mark is NAMES and not all(map(is_name, value)):
            return "names (letters, digits, '.', '_', '-', '@')"
        if mark is HASHES and not all(map(_SHA256.fullmatch, value)):
            return "SHA-256 in small hexadecimal digits, 64 each"
    return "a finite number" if isinstance(value, float) and not isfinite(value) else ""


def _marks(hint: Any) -> Iterator[Any]:
    if get_origin(hint) is Annotated:
        inner, *marks = get_args(hint)
        yield from marks
        yield from _marks(inner)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
