"""Recipes: equal meaning, equal key; any difference upstream, another key."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lox_bench.attacks.spec import load_attack
from lox_bench.data.stage import Rows
from lox_bench.engine.stage import key_of
from lox_bench.errors import UsageError
from lox_bench.grammar import parse_call
from lox_bench.methods.stage import Harden
from lox_bench.sources.stage import Source
from lox_bench.study.family import load_family
from lox_bench.study.models import build_model
from lox_bench.study.variant import Family

FAMILY = load_family("smollm2-135m")
ATTACK = load_attack("gsm8k")
ROWS = Rows("standin", ({"question": "q", "answer": "a"},), "0" * 64)


def recipes(**changes: Any) -> Family:
    return Family(FAMILY, **changes)


def test_equal_requests_have_equal_keys() -> None:
    assert key_of(recipes().aligned) == key_of(recipes().aligned)
    _, short = build_model(parse_call("lox"), recipes())
    default = f"lox(k={FAMILY.lox.k},alpha={FAMILY.lox.alpha})"
    _, long = build_model(parse_call(default), recipes())
    assert key_of(short) == key_of(long)


def test_a_key_is_stable_across_processes_and_releases() -> None:
    source = Source(uri="anywhere", identity="sha256:abc", dtype="float32")
    assert key_of(source) == "ea9d472428f9fac62ed0"


def test_where_weights_come_from_does_not_change_what_they_are() -> None:
    one, other = (Source(uri, "sha256:abc", "float32") for uri in ("/a", "/b"))
    assert key_of(one) == key_of(other)


def test_everything_upstream_changes_the_key() -> None:
    aligned = recipes().aligned
    attacked = recipes().attacked(aligned, ATTACK, ROWS)
    others = [
        recipes(seed=1).attacked(recipes(seed=1).aligned, ATTACK, ROWS),
        recipes(max_steps=3).attacked(recipes(max_steps=3).aligned, ATTACK, ROWS),
        recipes().attacked(recipes().base, ATTACK, ROWS),
        recipes().attacked(aligned, replace(ATTACK, prompt="Q: {question}"), ROWS),
        recipes().attacked(aligned, ATTACK, replace(ROWS, sha256="1" * 64)),
        Family(replace(FAMILY, template="alpaca")).attacked(aligned, ATTACK, ROWS),
    ]
    keys = {key_of(recipe) for recipe in [attacked, *others]}
    assert len(keys) == 1 + len(others)


def test_a_local_model_is_pinned_by_its_bytes(pico: Path, pico_aligned: Path) -> None:
    names = [build_model(parse_call(f"mine={path}"), recipes()) for path in (pico, pico_aligned)]
    assert [name for name, _ in names] == ["mine", "mine"]
    assert key_of(names[0][1]) != key_of(names[1][1])


@pytest.mark.parametrize(("text", "k"), [("lox(k=full)", None), ("lox(k=3)", 3)])
def test_rank_is_a_number_or_full(text: str, k: int | None) -> None:
    _, recipe = build_model(parse_call(text), recipes())
    assert isinstance(recipe, Harden)
    assert recipe.k == k


@pytest.mark.parametrize(
    "text",
    ["lox(k=0)", "lox(k=2.5)", "lox(k=-1)", "lox(alpha=nan)", "lox(alpha=much)", "lox(r=2)",
     "base(k=1)", "aligned(alpha=1)"],
)  # fmt: skip
def test_arguments_without_meaning_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        build_model(parse_call(text), recipes())
