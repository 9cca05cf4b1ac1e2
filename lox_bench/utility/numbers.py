"""Numbers as people write them: equal if they are the same number, whatever stands around them."""

import re
import unicodedata
from decimal import Decimal
from typing import Final

_LONGEST: Final = 60  # characters: no answer to a task has more digits
_AROUND: Final = " \t\n*_`\"'()[]{}~|:=.,;!"
_MINUS: Final = str.maketrans(dict.fromkeys("\u2212\u2013\ufe63", "-"))
_CURRENCY: Final = r"(?:\\?\$|[€£¥₹])"  # LaTeX escapes its dollars
_NUMBER: Final = re.compile(
    rf"(?P<sign>[-+]?)\s*{_CURRENCY}?\s*(?P<second>[-+]?)\s*"
    r"(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]*)(?P<part>\.[0-9]+)?"
    rf"\s*(?:%|{_CURRENCY})?"
)


def read_number(text: str) -> Decimal | None:
    """The number that a short text is, or ``None``.

    Currency signs, emphasis, brackets, a percent sign, thousands' commas, a closing full stop and
    other minus signs are looked through: ``$1,600``, ``**72**``, ``72.00.``, ``-$3``. Words behind
    it, as in ``29 apples``, and commas that part no thousands, as in ``3,5``, are not.
    """
    if len(text) > _LONGEST:
        return None
    bare = unicodedata.normalize("NFKC", text).translate(_MINUS)
    fraction = bare.lstrip(_AROUND.replace(".", "")).rstrip(_AROUND)
    found = _NUMBER.fullmatch(fraction)
    if found is None or not (found["whole"] or found["part"]):
        return None
    if found["sign"] and found["second"]:
        return None
    sign = found["sign"] or found["second"]
    return Decimal(f"{sign}{found['whole'].replace(',', '') or 0}{found['part'] or ''}")


def same_answer(said: str, wanted: str) -> bool:
    """Whether two short answers are the same number, or else the same words but for case."""
    a, b = read_number(said), read_number(wanted)
    if a is not None and b is not None:
        return a == b
    return _words(said) == _words(wanted) != ""


def _words(text: str) -> str:
    return " ".join(text.strip(_AROUND).split()).casefold()
