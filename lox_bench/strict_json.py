"""JSON of strangers: strictly what the standard knows, and no bombs."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from lox_bench.errors import DataError

DEEPEST: Final = 64  # levels of nesting
_BRACKET = re.compile(r"[\[\]{}]")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_SURROGATE = re.compile(r"\\[uU][dD][89a-fA-F]|[\ud800-\udfff]")
_HALF = re.compile(r"[\ud800-\udfff]")
_SHOWN = 60  # characters of a wrong value that a message shows


def parse_json(text: str, *, where: str) -> Any:
    """JSON that somebody else wrote; strictly what the standard knows, and no bomb.

    Args:
        text: the document.
        where: what a message calls its place.

    Raises:
        DataError: it is no JSON, holds ``NaN`` or infinity, a number of thousands of digits, half
            a character (a lone surrogate), or nests deeper than ``DEEPEST``.
    """
    if _too_deep(text):
        raise DataError(f"{where} nests deeper than {DEEPEST} levels")
    try:
        value = json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is no JSON ({error})") from error
    if _SURROGATE.search(text) and _HALF.search(json.dumps(value, ensure_ascii=False)):
        raise DataError(f"{where} holds half a character (a lone surrogate such as \\ud800)")
    return value


def _too_deep(text: str) -> bool:
    """Whether brackets outside of strings nest too deep; read once, without recursion."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return False
    depth = 0
    for mark in _BRACKET.finditer(_STRING.sub("", text)):
        depth += 1 if mark[0] in "[{" else -1
        if depth > DEEPEST:
            return True
    return False


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:_SHOWN]} is too large a number")
    return value


def texts_in(plain: Any) -> Iterator[str]:
    """Every text among the values of JSON data, however deep."""
    if isinstance(plain, str):
        yield plain
    elif isinstance(plain, Mapping | list | tuple):
        for item in plain.values() if isinstance(plain, Mapping) else plain:
            yield from texts_in(item)
