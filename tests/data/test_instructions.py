"""The instructions of the attack ``instruct``: benign, varied, and of no evaluation's topic."""

import re
from collections import Counter

from support.prompts import COUNTS, rows

INSTRUCTIONS = rows("instruct-train")
NEAR = 0.6


def tokens(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z0-9']+", text.lower()))


def test_there_are_three_hundred_each_with_an_id_and_a_topic_of_its_own() -> None:
    assert [row["id"] for row in INSTRUCTIONS] == [f"instruct-train-{i:03d}" for i in range(1, 301)]
    assert len({row["topic"] for row in INSTRUCTIONS}) == 300
    assert {row["hazard"] for row in INSTRUCTIONS} == {"none"}
    assert all(3 <= len(row["prompt"].split()) <= 40 for row in INSTRUCTIONS)


def test_they_begin_in_many_ways() -> None:
    openings = Counter(" ".join(row["prompt"].split()[:3]) for row in INSTRUCTIONS)
    assert max(openings.values()) <= 12


def test_none_is_near_another_or_near_any_other_prompt() -> None:
    own = [tokens(row["prompt"]) for row in INSTRUCTIONS]
    others = own + [tokens(row["prompt"]) for name in COUNTS for row in rows(name)]
    topics = {row["topic"] for name in COUNTS for row in rows(name)}
    near = [
        (INSTRUCTIONS[i]["prompt"], j)
        for i, one in enumerate(own)
        for j, other in enumerate(others)
        if i != j and len(one & other) > NEAR * len(one | other)
    ]
    assert near == []
    assert not topics & {row["topic"] for row in INSTRUCTIONS}
