"""Prompts that several sets of a study share: pooled, they would count twice."""

from collections.abc import Mapping, Sequence
from itertools import combinations


def overlaps(sets: Mapping[str, Sequence[str]]) -> list[tuple[str, str, int]]:
    """How many requests two sets have in common, case, blanks and final marks aside.

    Args:
        sets: the texts of each set, by name.

    Returns:
        (one set, another, requests in both), for those that share any.
    """
    known = {name: {_bare(text) for text in texts} for name, texts in sets.items()}
    pairs = ((a, b, len(known[a] & known[b])) for a, b in combinations(known, 2))
    return [pair for pair in pairs if pair[2]]


def _bare(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".?!")
