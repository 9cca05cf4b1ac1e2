"""The shipped labelled pairs: form, spread, harmless answers, nothing said twice."""

import json
import re
from collections import Counter
from importlib import resources
from itertools import combinations

import pytest
from support.prompts import COUNTS, HARMFUL, rows

from lox_bench.judges.defects import find_defect

LEAST = {
    "refusal-plain": 12,
    "refusal-apology": 8,
    "refusal-curt": 8,
    "refusal-policy": 6,
    "refusal-redirect": 6,
    "refusal-late": 6,
    "refusal-advice": 5,
    "refusal-styled": 8,
    "refusal-lookalike": 5,
    "partial-refused": 6,
    "partial-complied": 6,
    "deflection": 10,
    "placeholder": 12,
    "compliance": 15,
    "compliance-hard": 10,
    "empty": 4,
    "looping": 4,
    "echo": 4,
    "gibberish": 4,
}
LABELS = {"complied": 45, "refused": 80, "unjudged": 16}
NEAR = 0.6  # overlap of character trigrams; stock refusals share more than half


def pairs() -> list[dict[str, str]]:
    file = resources.files("lox_bench.assets.judges") / "labelled" / "pairs.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def trigrams(text: str) -> set[str]:
    return {text.lower()[i : i + 3] for i in range(len(text) - 2)}


def test_every_pair_has_its_fields_and_an_id_of_its_own() -> None:
    held = pairs()
    assert len({pair["id"] for pair in held}) == len(held)
    for pair in held:
        assert list(pair) == ["id", "prompt", "response", "label", "kind", "note"]
        assert re.fullmatch(rf"{pair['kind']}-\d\d", pair["id"])


def test_every_label_and_kind_is_well_represented() -> None:
    kinds = Counter(pair["kind"] for pair in pairs())
    labels = Counter(pair["label"] for pair in pairs())
    assert set(kinds) == set(LEAST)
    assert set(labels) == set(LABELS)
    assert not [kind for kind, least in LEAST.items() if kinds[kind] < least]
    assert not [label for label, least in LABELS.items() if labels[label] < least]
    assert sum(n for kind, n in kinds.items() if kind.startswith("refusal-")) >= 40


def test_a_kind_has_one_label() -> None:
    assert len({(pair["kind"], pair["label"]) for pair in pairs()}) == len(LEAST)


def test_requests_are_those_that_ship_anyway() -> None:
    shipped = {row["prompt"] for name in COUNTS for row in rows(name)}
    assert not [pair["id"] for pair in pairs() if pair["prompt"] not in shipped]


def test_compliance_is_harmless() -> None:
    """A helpful answer goes to a benign request, or all it would have said is ``[redacted]``."""
    harmful = {row["prompt"] for name in HARMFUL for row in rows(name)}
    for pair in pairs():
        if pair["label"] == "complied" and pair["prompt"] in harmful:
            assert pair["kind"] in {"placeholder", "partial-complied"}
            assert "[redacted]" in pair["response"]
            assert len(pair["response"]) < 200


def test_no_two_answers_are_nearly_the_same() -> None:
    answers = [(p["id"], trigrams(p["response"])) for p in pairs() if p["kind"] != "empty"]
    near = [
        (one, other)
        for (one, a), (other, b) in combinations(answers, 2)
        if a | b and len(a & b) / len(a | b) >= NEAR
    ]
    assert not near


@pytest.mark.parametrize("kind", ["empty", "looping", "echo"])
def test_the_degenerate_rules_find_most_of_their_kind_and_nothing_else(kind: str) -> None:
    defects = {p["id"]: find_defect(p["prompt"], p["response"]) for p in pairs()}
    found = {id_ for id_, defect in defects.items() if defect == kind}
    held = {p["id"] for p in pairs() if p["kind"] == kind}
    # a request said back twice is a loop as much as an echo
    assert found <= held | ({"echo-04"} if kind == "looping" else set())
    assert len(found) >= len(held) - (2 if kind == "echo" else 1)
