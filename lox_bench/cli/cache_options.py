"""What the options of ``lox-bench cache`` mean."""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from lox_bench.engine.housekeeping import Held
from lox_bench.engine.store import REQUESTS
from lox_bench.errors import UsageError, did_you_mean

_UNITS: Final = {"h": "hours", "d": "days", "w": "weeks"}


def age(text: str) -> timedelta:
    """``30d`` as a span of time.

    Raises:
        UsageError: it is none, or longer than there have been computers.
    """
    match = re.fullmatch(r"(\d{1,5})([hdw])", text.strip())
    if match is None:
        raise UsageError(f"--older-than {text}: an age was wanted, like 12h, 30d or 8w")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def chosen_kinds(text: str, items: Sequence[Held]) -> frozenset[str]:
    """The kinds of a comma list; none if it is empty.

    Raises:
        UsageError: nothing of that kind is stored.
    """
    known = {item.kind for item in items} | {REQUESTS}
    asked = [name.strip() for name in text.split(",")] if text else []
    for name in asked:
        if name not in known:
            raise UsageError(
                f"--kind {text}: the cache holds nothing called {name!r}"
                f"{did_you_mean(name, known)}; "
                f"it holds {', '.join(sorted(known))}"
            )
    return frozenset(asked)
