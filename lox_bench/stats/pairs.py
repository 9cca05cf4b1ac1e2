"""Pair the answers of two models to the same prompts: what each prompt says of their difference.

The prompt is the unit: seeds of one prompt are repeated measurements inside its cluster and never
count as more prompts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Hits = Mapping[int, Mapping[str, bool | None]]  # seed -> prompt id -> hit; None is unjudged
Vector = NDArray[Any]  # float64, (n,)


@dataclass(frozen=True)
class Pairs:
    """Per prompt, the share of its pairs in which only ``b`` (``only_a``: only ``a``) was a hit.

    A pair is one answer of each model to one prompt. With equal seeds on both sides it is made
    seed by seed; otherwise each seed of one side meets each of the other. A pair with an unjudged
    side is dropped and counted; ``worst`` bounds the difference had the dropped ones been judged.

    Attributes:
        only_b: ``(n,)``, in [0, 1].
        only_a: ``(n,)``, in [0, 1].
        both: ``(n,)``, share in which both were hits, in [0, 1].
        repeats: ``(n,)``, pairs kept of each prompt, at least 1.
        seeds: seeds of the side that has fewer.
        dropped: pairs with an unjudged side, of all prompts both models were asked.
        by_seed: the difference under each seed, where both sides have the same seeds.
        worst: lowest and highest mean difference any labels of the unjudged could give (Manski).
    """

    only_b: Vector
    only_a: Vector
    both: Vector
    repeats: Vector
    seeds: int = 1
    dropped: int = 0
    by_seed: tuple[float, ...] = ()
    worst: tuple[float, float] = field(default=(float("nan"), float("nan")))

    @property
    def n(self) -> int:
        """Prompts with at least one complete pair."""
        return len(self.only_b)

    @cached_property
    def differences(self) -> Vector:
        """Per prompt, hit rate of ``b`` minus that of ``a``; ``(n,)`` in [-1, 1]."""
        return self.only_b - self.only_a

    @property
    def rate_a(self) -> float:
        """Hit rate of ``a`` on the pairs kept, each prompt counting once; NaN without any."""
        return float((self.both + self.only_a).mean()) if self.n else float("nan")

    @property
    def rate_b(self) -> float:
        """Hit rate of ``b`` on the same."""
        return float((self.both + self.only_b).mean()) if self.n else float("nan")

    @property
    def delta(self) -> float:
        """Mean difference over prompts; NaN without any."""
        return float(self.differences.mean()) if self.n else float("nan")


def pair(a: Hits, b: Hits) -> Pairs:
    """Pair two models' outcomes on the prompts both were asked, in the order of ``a``."""
    couples = _couples(a, b)
    kept: list[tuple[float, float, float, int]] = []
    asked, dropped, low, high = 0, 0, 0.0, 0.0
    for prompt in dict.fromkeys(prompt for answers in a.values() for prompt in answers):
        held = [
            (a[s][prompt], b[t][prompt]) for s, t in couples if prompt in a[s] and prompt in b[t]
        ]
        if not held:
            continue
        asked += 1
        judged = [(x, y) for x, y in held if x is not None and y is not None]
        dropped += len(held) - len(judged)
        low += sum((y or False) - (x is not False) for x, y in held) / len(held)
        high += sum((y is not False) - (x or False) for x, y in held) / len(held)
        if judged:
            kept.append((*_shares(judged), len(judged)))
    table = np.array(kept, dtype=float).reshape(-1, 4)
    return Pairs(
        only_b=table[:, 0],
        only_a=table[:, 1],
        both=table[:, 2],
        repeats=table[:, 3],
        seeds=min(len(a), len(b)),
        dropped=dropped,
        by_seed=_by_seed(a, b) if set(a) == set(b) else (),
        worst=(low / asked, high / asked) if asked else (-1.0, 1.0),
    )


def _shares(judged: Sequence[tuple[bool, bool]]) -> tuple[float, float, float]:
    only_b = sum(y and not x for x, y in judged) / len(judged)
    only_a = sum(x and not y for x, y in judged) / len(judged)
    return only_b, only_a, sum(x and y for x, y in judged) / len(judged)


def _by_seed(a: Hits, b: Hits) -> tuple[float, ...]:
    """Mean difference under each seed over the prompts judged on both sides; NaN without any."""
    means = []
    for seed in sorted(a):
        both = [(x, b[seed].get(prompt)) for prompt, x in a[seed].items()]
        held = [y - x for x, y in both if x is not None and y is not None]
        means.append(sum(held) / len(held) if held else float("nan"))
    return tuple(means)


def _couples(a: Hits, b: Hits) -> list[tuple[int, int]]:
    if set(a) == set(b):
        return [(seed, seed) for seed in sorted(a)]
    return [(s, t) for s in sorted(a) for t in sorted(b)]
