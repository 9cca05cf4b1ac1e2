"""Numbers that options take: what cannot be meant is refused before the first second of work."""

from collections.abc import Callable
from typing import TypeVar

import typer

from lox_bench.errors import UsageError
from lox_bench.ranges import Range

Number = TypeVar("Number", int, float)


def within(
    low: float, high: float
) -> Callable[[typer.CallbackParam, Number | None], Number | None]:
    """A callback for a numeric option: NaN and whatever lies outside the range is refused."""
    allowed = Range(low, high)

    def check(param: typer.CallbackParam, value: Number | None) -> Number | None:
        if value is not None and not allowed.holds(value):
            raise UsageError(f"{param.opts[0]} wants a number from {low} to {high}, not {value}")
        return value

    return check
