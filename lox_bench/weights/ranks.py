"""How many directions to keep: a number, all of them, or a rule that looks at the spectrum.

``6`` or ``full`` for every matrix alike; ``energy:0.5`` keeps the fewest directions that hold half
of the squared norm of a difference, ``gap`` cuts where the ratio of one singular value to the next
is largest among the first 16 (``gap:32``: the first 32). ``auto`` is ``energy:0.5``.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from lox_bench.errors import UsageError

FULL_RANK: Final = "full"
MOST: Final = 128  # directions an energy rule keeps at most
AUTO_SHARE: Final = 0.5
GAP_AMONG: Final = 16


@dataclass(frozen=True, slots=True)
class Energy:
    """Keep the fewest directions whose squared singular values sum to ``share`` of all."""

    share: float

    def __str__(self) -> str:
        """As it is written on the command line."""
        return f"energy:{self.share:g}"


@dataclass(frozen=True, slots=True)
class Gap:
    """Cut before the steepest fall (ratio of neighbours) among the first ``among`` values."""

    among: int

    def __str__(self) -> str:
        """As it is written on the command line."""
        return f"gap:{self.among}"


Rank = int | None | Energy | Gap  # None: all directions


def parse_rank(text: str) -> Rank:
    """Read ``6``, ``full``, ``auto``, ``energy:0.5``, ``gap`` or ``gap:32``.

    Raises:
        UsageError: it is none of these, or out of range.
    """
    kind, _, value = text.strip().partition(":")
    if kind == FULL_RANK and not value:
        return None
    if kind == "auto" and not value:
        return Energy(AUTO_SHARE)
    if kind == "energy" and 0.0 < _number(value) <= 1.0:
        return Energy(_number(value))
    if kind == "gap" and (not value or (value.isdecimal() and int(value) > 1)):
        return Gap(int(value or GAP_AMONG))
    if kind.isdecimal() and int(kind) > 0 and not value:
        return int(kind)
    raise UsageError(
        f"k must be a whole number of at least 1, full, auto, energy:SHARE (0 to 1), gap or "
        f"gap:AMONG (2 or more), not {text!r}"
    )


def rank_text(rank: Rank) -> str:
    """As it is written on the command line."""
    return FULL_RANK if rank is None else str(rank)


def most(rank: Energy | Gap) -> int:
    """How many singular values a rule may want to see."""
    return MOST if isinstance(rank, Energy) else rank.among + 1


def cut(rank: Energy | Gap, sigma: list[float], total: float, *, limit: int) -> int | None:
    """Where a rule cuts a spectrum of which ``sigma`` are the largest values, descending.

    Args:
        rank: the rule.
        sigma: what is known of the spectrum.
        total: squared Frobenius norm, the sum of *all* squared values.
        limit: how many values can be known; an energy rule that is not satisfied by them all
            keeps them all.

    Returns:
        The number of directions to keep, or ``None`` if ``sigma`` is too short to tell.
    """
    if isinstance(rank, Energy):
        held = 0.0
        for index, value in enumerate(sigma, start=1):
            held += value * value
            if held >= rank.share * total:
                return index
    if len(sigma) < limit:
        return None
    return limit if isinstance(rank, Energy) else _steepest(sigma)


def _steepest(sigma: list[float]) -> int:
    falls = [high / low if low > 0.0 else math.inf for high, low in pairwise(sigma) if high > 0.0]
    return falls.index(max(falls)) + 1 if falls else 1


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
