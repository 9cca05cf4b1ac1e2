"""Patterns that specs bring: checked when they are read, and run under a time limit."""

from functools import lru_cache
from typing import Any, Final

import regex

from lox_bench.errors import SpecError

LONGEST_SECONDS: Final = 2.0  # for one answer; an honest pattern takes microseconds
_SHOWN: Final = 60


def require_pattern(pattern: str, where: str) -> None:
    """Refuse a text that is no regular expression.

    Raises:
        SpecError: it is not; ``where`` begins the message.
    """
    try:
        _compiled(pattern)
    except regex.error as error:
        raise SpecError(where, f"is no regular expression ({error})") from error


def find_last(pattern: str, text: str) -> str:
    """What the first group of a pattern (or all of it) finds last; empty if nothing.

    Raises:
        SpecError: it takes longer than ``LONGEST_SECONDS``: the pattern backtracks without end.
    """
    try:
        found = list(_compiled(pattern).finditer(text, timeout=LONGEST_SECONDS))
    except TimeoutError as error:
        raise SpecError(
            f"the pattern {pattern[:_SHOWN]!r}",
            f"takes more than {LONGEST_SECONDS:g} s on an answer of {len(text)} characters; "
            "nested repetitions such as (a+)+ do that",
        ) from error
    if not found:
        return ""
    groups = [group for group in found[-1].groups() if group]
    return str(groups[0] if groups else found[-1].group()).strip()


@lru_cache(maxsize=32)
def _compiled(pattern: str) -> Any:
    return regex.compile(pattern)
