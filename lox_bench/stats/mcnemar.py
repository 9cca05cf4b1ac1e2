"""Test a paired difference: exact McNemar for one seed, its clustered form for several.

If the two models were exchangeable, the whole block of answers to a prompt (all seeds) could as
well carry the other model's name, which flips the sign of that prompt's difference. The exact
distribution of the summed differences under independent sign flips is found by convolution. With
one seed the differences are -1, 0 and 1, and the test is McNemar's exact one; with several no
approximation enters, unlike in the chi-square forms of Obuchowski (Stat. Med. 17:1495, 1998) and
Durkalski et al. (Stat. Med. 22:2417, 2003), to which it tends for many prompts.
"""

from math import lcm
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lox_bench.stats.pairs import Pairs, Vector

Alternative = Literal["two-sided", "greater", "less"]

_FINEST = 2520  # units a difference of one is cut into at most: the lcm of 1 to 9


def mcnemar(pairs: Pairs, *, alternative: Alternative = "two-sided") -> float:
    """Exact p of no difference between the two models; 1 without a discordant prompt.

    ``greater`` tests whether ``b`` has the higher rate, ``less`` whether it has the lower one.
    """
    steps = _whole(pairs)
    steps = steps[steps != 0]
    if steps.size == 0:
        return 1.0
    total = int(steps.sum())
    if alternative == "less":
        total = -total
    chances = _flipped(np.abs(steps))
    centre = len(chances) // 2
    if alternative == "two-sided":
        extreme = abs(total)
        if extreme == 0:
            return 1.0
        return float(min(1.0, 2 * chances[centre + extreme :].sum()))
    return float(min(1.0, chances[centre + total :].sum()))


def _whole(pairs: Pairs) -> NDArray[np.int64]:
    """The differences in whole steps; their denominators are the pairs kept of each prompt."""
    unit = min(lcm(*(int(count) for count in np.unique(pairs.repeats))), _FINEST)
    values: Vector = pairs.differences * unit
    steps = np.rint(values).astype(np.int64)
    return steps // max(int(np.gcd.reduce(steps)), 1)


def _flipped(sizes: NDArray[np.int64]) -> NDArray[Any]:
    """Probabilities of the sums of all sizes under random signs, from minus to plus their total."""
    chances = np.ones(1)
    for size in sizes:
        wider = np.zeros(len(chances) + 2 * int(size))
        wider[: len(chances)] += chances / 2
        wider[2 * int(size) :] += chances / 2
        chances = wider
    return chances
