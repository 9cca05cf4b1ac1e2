"""Arguments of methods: the dataclass says what may be given, and what cannot mean anything."""

from dataclasses import dataclass, replace
from math import inf
from typing import Annotated, Any, ClassVar, Literal

import pytest

from lox_bench.diagnostics.truncated import Truncated
from lox_bench.errors import UsageError
from lox_bench.grammar import parse_call
from lox_bench.methods.arguments import build_method, describe, describe_arguments, seeded
from lox_bench.methods.bottom_k import BottomK
from lox_bench.methods.expo import Expo
from lox_bench.methods.lox import Lox
from lox_bench.methods.method import NoneIs, Place
from lox_bench.methods.random_k import RandomK
from lox_bench.methods.safe_lora import SafeLora
from lox_bench.methods.ties import Ties
from lox_bench.methods.wise_ft import WiseFt
from lox_bench.ranges import Range
from lox_bench.study.family import LoxSpec, load_family


@dataclass(frozen=True, slots=True)
class Every:
    place: ClassVar[Place] = Place.AFTER

    whole: int = -3
    share: Annotated[float, Range(0, 1, above=True)] = 1.0
    on: bool = False
    name: str = "x"
    mode: Literal["a", "b"] = "a"
    top: Annotated[int | None, Range(1, inf), NoneIs("full")] = None
    other: float | None = None


@pytest.mark.parametrize(
    ("cls", "text", "made"),
    [
        (Lox, "lox", Lox(6, 1.25)),
        (Lox, "lox(k=full)", Lox(None, 1.25)),
        (Lox, "lox(k=3, alpha=-.5e+0)", Lox(3, -0.5)),
        (Expo, "expo(alpha=2)", Expo(2.0)),
        (RandomK, "random-k(k=2,alpha=0.5,seed=1)", RandomK(2, 0.5, 1)),
        (Truncated, "truncated(r=4)", Truncated(4)),
        (SafeLora, "safe-lora(layers=3,form=reference)", SafeLora(layers=3, form="reference")),
        (WiseFt, "wise-ft(alpha=1)", WiseFt(1.0)),
        (Ties, "ties(lambda=0.5)", Ties(lambda_=0.5)),
        (Every, "every(on=yes,mode=b,top=2,other=1e3,whole=-7)",
         Every(-7, 1.0, on=True, mode="b", top=2, other=1000.0)),
    ],
)  # fmt: skip
def test_a_call_makes_a_method_and_the_method_the_call(cls: Any, text: str, made: Any) -> None:
    method = build_method(cls, parse_call(text))
    assert method == made
    assert hash(method) == hash(made)
    assert build_method(cls, describe("it", method)) == method
    assert build_method(cls, parse_call(str(describe("it", method)))) == method


def test_the_family_s_values_replace_the_defaults_and_the_call_s_replace_them() -> None:
    family = {"k": None, "alpha": 0.65, "of no field": 1}
    assert build_method(Lox, parse_call("lox"), family) == Lox(None, 0.65)
    assert build_method(Lox, parse_call("lox(k=2)"), family) == Lox(2, 0.65)
    assert build_method(Expo, parse_call("expo"), family) == Expo(0.65)


def test_a_family_speaks_for_the_methods_that_ask_it() -> None:
    family = load_family("smollm2-135m")
    for cls, made in ((Lox, Lox(6, 0.65)), (BottomK, BottomK(6, 0.65)), (WiseFt, WiseFt(0.5))):
        assert build_method(cls, parse_call("it"), family.defaults_of(cls)) == made
    whole = replace(family, lox=LoxSpec(k=0, alpha=1.0))
    assert build_method(Lox, parse_call("lox"), whole.defaults_of(Lox)) == Lox(None, 1.0)


@pytest.mark.parametrize(
    ("cls", "text", "said"),
    [
        (Lox, "lox(k=0)", "k must be a whole number of at least 1, or 'full', not '0'"),
        (Lox, "lox(k=2.5)", "whole number"),
        (Lox, "lox(k=-1)", "at least 1"),
        (Lox, "lox(k=9999999999999999999999999)", "at least 1"),
        (Lox, "lox(alpha=nan)", "a finite number"),
        (Lox, "lox(alpha=inf)", "a finite number"),
        (Lox, "lox(alpha=1e300)", "-100 to 100"),
        (Lox, "lox(alpha=1e999999)", "-100 to 100"),
        (Lox, "lox(alpha=much)", "alpha must be"),
        (Lox, "lox(alpha=1_0)", "alpha must be"),
        (Lox, "lox(k=\u0663)", "at least 1"),
        (Lox, "lox(rank=2)", "unknown argument 'rank'; it takes k, alpha"),
        (Expo, "expo(k=2)", "it takes alpha"),
        (RandomK, "random-k(seed=x)", "at least 0, or 'study'"),
        (RandomK, "random-k(k=0)", "at least 1"),
        (BottomK, "bottom-k(seed=1)", "it takes k, alpha"),
        (Truncated, "truncated", r"needs r, a whole number of at least 1: truncated\(r=...\)"),
        (Truncated, "truncated(r=0)", "at least 1"),
        (WiseFt, "wise-ft(alpha=1.01)", "a finite number of 0 to 1"),
        (WiseFt, "wise-ft(alpha=none)", "0 to 1"),
        (SafeLora, "safe-lora(form=mine)", "paper or reference"),
        (SafeLora, "safe-lora(tau=0.2,layers=2)", "not both"),
        (Every, "every(share=0)", "above 0, at most 1"),
        (Every, "every(on=maybe)", "true or false"),
        (Every, "every(other=1e10)", "a finite number, or 'none'"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_can(cls: Any, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        build_method(cls, parse_call(text))


def test_a_method_without_arguments_says_so() -> None:
    @dataclass(frozen=True, slots=True)
    class Bare:
        place: ClassVar[Place] = Place.AFTER

    with pytest.raises(UsageError, match="it takes no arguments"):
        build_method(Bare, parse_call("bare(k=1)"))


def test_a_field_that_no_text_can_give_is_refused() -> None:
    @dataclass(frozen=True, slots=True)
    class Odd:
        place: ClassVar[Place] = Place.AFTER
        parts: tuple[int, ...] = ()

    with pytest.raises(UsageError, match=r"Odd\.parts"):
        describe_arguments(Odd)


def test_help_shows_defaults_and_what_is_allowed() -> None:
    k, alpha = describe_arguments(Lox)
    assert (k.shown, k.allowed) == ("k=6", "a whole number of at least 1, or 'full'")
    assert (alpha.shown, alpha.allowed) == ("alpha=1.25", "a finite number of -100 to 100")
    assert [argument.shown for argument in describe_arguments(Truncated)] == ["r=..."]


def test_the_study_s_seed_fills_what_is_left_open() -> None:
    assert seeded(RandomK(2, 0.5), 7) == RandomK(2, 0.5, 7)
    assert seeded(RandomK(2, 0.5, 1), 7) == RandomK(2, 0.5, 1)
    assert seeded(Lox(), 7) == Lox()
