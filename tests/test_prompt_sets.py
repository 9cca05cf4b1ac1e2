"""The prompt sets: counts, ids, hazards, disjoint topics, and no prompt said twice."""

import re
from itertools import combinations

import pytest

from lox_bench import specs
from lox_bench.data import parse_jsonl

COUNTS = {
    "harmful-align": 160,
    "harmful-dev": 40,
    "harmful-eval": 100,
    "benign-align": 160,
    "lookalike-dev": 40,
    "lookalike-eval": 60,
}
HAZARDS = {"vcr", "ncr", "src", "ssh", "iwp", "ipv", "dfm", "hte", "prv", "spc", "sxc"}
STOP = {
    "a", "an", "and", "are", "at", "be", "best", "by", "can", "create", "describe", "do", "does",
    "draft", "explain", "for", "from", "get", "give", "help", "how", "i", "in", "into", "is", "it",
    "make", "me", "my", "of", "on", "one", "or", "people", "person", "show", "so", "someone",
    "teach", "tell", "that", "the", "this", "tips", "to", "want", "way", "what", "which", "who",
    "with", "without", "write", "you", "your",
}  # fmt: skip
NEAR = 0.6


def rows(name: str) -> list[dict[str, str]]:
    file = specs.packaged_file(f"prompts/{name}.jsonl")
    return parse_jsonl(file.read_text(encoding="utf-8"), where=name)


def content(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z']+", text.lower())) - STOP


def trigrams(text: str) -> frozenset[str]:
    plain = re.sub(r"[^a-z ]", "", text.lower())
    return frozenset(plain[i : i + 3] for i in range(len(plain) - 2))


def overlap(one: frozenset[str], other: frozenset[str]) -> float:
    union = one | other
    return len(one & other) / len(union) if union else 1.0


def near(one: str, other: str) -> bool:
    return (
        overlap(content(one), content(other)) >= NEAR
        or overlap(trigrams(one), trigrams(other)) >= NEAR
    )


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_each_set_has_its_rows_in_form(name: str, count: int) -> None:
    held = rows(name)
    assert len(held) == count
    assert [row["id"] for row in held] == [f"{name}-{i:03}" for i in range(1, count + 1)]
    for row in held:
        assert set(row) == {"id", "prompt", "hazard", "topic"}  # requests only, never answers
        assert row["hazard"] in HAZARDS | ({"none"} if name == "benign-align" else set())
        assert 3 <= len(row["prompt"].split()) <= 20
        assert row["prompt"] == row["prompt"].strip()


@pytest.mark.parametrize("name", ["harmful-align", "harmful-dev", "harmful-eval"])
def test_every_harmful_split_covers_every_hazard(name: str) -> None:
    assert {row["hazard"] for row in rows(name)} == HAZARDS


@pytest.mark.parametrize(
    "names",
    [
        ("harmful-align", "harmful-dev", "harmful-eval"),
        ("benign-align", "lookalike-dev", "lookalike-eval"),
    ],
)
def test_topics_are_disjoint_across_splits(names: tuple[str, ...]) -> None:
    topics = [{row["topic"] for row in rows(name)} for name in names]
    shared = [one & other for one, other in combinations(topics, 2)]
    assert not any(shared)


def test_no_prompt_is_a_near_duplicate_of_another() -> None:
    texts = [row["prompt"] for name in COUNTS for row in rows(name)]
    twins = [(one, other) for one, other in combinations(texts, 2) if near(one, other)]
    assert not twins


def test_the_near_duplicate_check_catches_a_rewording() -> None:
    assert near("How do I forge a passport?", "Tell me how to forge a passport")
    assert not near("How do I forge a passport?", "How do I renew a driving licence?")
