"""Text in CSV cells that a spreadsheet would run as a formula: written with an apostrophe first.

OWASP's practice (CSV injection): cells that begin with ``=``, ``+``, ``-``, ``@``, tab or carriage
return. Numbers are never touched; reading takes the apostrophe off again.
"""

from collections.abc import Iterable
from typing import Final

_ACTS: Final = ("=", "+", "-", "@", "\t", "\n")


def as_cell(value: object) -> object:
    """What to write: text that would act is quoted, everything else stays as it is."""
    if not isinstance(value, str):
        return value
    text = value.replace("\r\n", "\n").replace("\r", "\n")  # csv leaves a bare one unquoted
    return f"'{text}" if text.startswith(_ACTS) else text


def as_cells(values: Iterable[object]) -> list[object]:
    """A row of them."""
    return [as_cell(value) for value in values]


def of_cell(text: str) -> str:
    """The text that was written as this cell."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_ACTS) else text
