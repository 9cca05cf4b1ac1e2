"""Names, wherever they come from: words that may stand in a path, a table and a command."""

import re
from typing import Final, Self

LONGEST: Final = 100  # characters
_LONGEST_LABEL: Final = 300
_LABEL = re.compile(r"[\w.()=,+@|/:~*%#& -]*")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]*")


class Name(str):
    """The checked name of a family, method, attack, prompt set, utility, judge, task or hazard.

    Letters, digits, ``.``, ``_``, ``-`` and ``@``, beginning with a letter or digit, at most
    ``LONGEST`` characters: never a path, an option, markup or a formula. A record whose field has
    this type is checked when it is read, whatever file it comes from.

    Raises:
        ValueError: the text is none; what came and what was wanted are said.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:  # noqa: D102 - the class says it
        if not is_name(text):
            shown = ascii(text if len(text) <= LONGEST else f"{text[:LONGEST]}...")
            raise ValueError(
                f"a name was wanted (letters, digits, '.', '_', '-', '@'; at most {LONGEST}), "
                f"not {shown}"
            )
        return super().__new__(cls, text)


def is_label(text: str) -> bool:
    """Whether a text may be what tables and pictures call a model, an attack, a judge or a metric.

    Names and calls of the little language (``lox(k=6,alpha=0.65)+safe-lora``): no control
    character, no markup, no mathematics.
    """
    return len(text) <= _LONGEST_LABEL and _LABEL.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Whether a text may be a ``Name``."""
    return len(text) <= LONGEST and _WORD.fullmatch(text) is not None
