"""--defence-search: which arguments of which models are tuned, and what cannot be meant."""

from collections.abc import Mapping
from math import isfinite

import pytest

from lox_bench.errors import UsageError
from lox_bench.methods.arguments import describe_arguments
from lox_bench.methods.method import Between
from lox_bench.registry import Kind, load_code, names_of
from lox_bench.study.defence import Defence, read_defence
from lox_bench.study.models import read_models

GUARDS = (10.0, 5.0)


def tuned(text: str) -> Defence:
    _, defence = read_defence(read_models(text), 3, GUARDS)
    assert defence is not None
    return defence


def axes(text: str) -> dict[str, tuple[float, float, bool, bool]]:
    (model,) = tuned(f"aligned,{text}").searched
    return {axis.key: (axis.low, axis.high, axis.log, axis.whole) for axis in model.axes}


def test_methods_say_where_to_look_and_ranges_and_numbers_replace_it() -> None:
    own = {"0.k": (1, 64, True, True), "0.alpha": (0.1, 2, True, False)}
    assert axes("lox") == own
    assert axes("lox(k=6)") == {"0.alpha": own["0.alpha"]}
    assert axes("lox(k=2..8,alpha=0.5..1)") == {
        "0.k": (2, 8, True, True),
        "0.alpha": (0.5, 1, True, False),
    }
    assert axes("random-k(k=1..8)") == {"0.k": (1, 8, False, True)}
    assert axes("random-k(k=1..16,alpha=-1..1)") == {
        "0.k": (1, 16, True, True),
        "0.alpha": (-1, 1, False, False),
    }
    assert axes("lox(k=2,alpha=0.5)+safemerge(w=0.1)") == {"1.tau": (0, 1, False, False)}


def test_what_has_nothing_to_tune_is_left_as_it_is() -> None:
    defence = tuned("aligned,lox(k=2|4),random-k,mine=/x,lox(k=1,alpha=1)")
    assert [item.text.label for item in defence.searched] == ["lox(k=2)", "lox(k=4)"]


def test_a_point_is_a_model_that_can_be_asked_for() -> None:
    (model,) = tuned("aligned,lox(k=2..8)+ties(trim=tensor,density=0.2)").searched
    assert model.text.label == "lox+ties(trim=tensor,density=0.2)"
    point = model.at({"0.k": 3.0, "0.alpha": 0.123456, "1.lambda": 1.0})
    assert point.label == "lox(k=3,alpha=0.12)+ties(trim=tensor,density=0.2,lambda=1)"
    assert read_models(point.label) == [point]


def test_without_a_search_nothing_changes_and_ranges_are_no_values() -> None:
    models = read_models("aligned,lox(k=2),mine=/a..b")
    assert read_defence(models, None, GUARDS) == (models, None)
    with pytest.raises(UsageError, match=r"a range is for --defence-search.*k=2\|6"):
        read_defence(read_models("lox(k=2..8)"), None, GUARDS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("aligned,lox(k=2,alpha=1)", "no model has an argument to tune"),
        ("lox", "add it to --models"),
        ("aligned,lox(k=8..2)", "from a smaller to a larger"),
        ("aligned,lox(k=0..2)", "k must be a whole number of at least 1"),
        ("aligned,lox(k=1.5..2)", "k must be a whole number"),
        ("aligned,lox(alpha=-1..1)", "above 0"),
        ("aligned,wise-ft(alpha=0..2)", "alpha must be a finite number of 0 to 1"),
        ("aligned,lox(rank=1..2)", "it takes k, alpha"),
        ("aligned,safe-lora(form=1..2)", "which has no range"),
        ("aligned,lox(k=1..2),lox(k=4..8)", "'lox' is listed twice"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_defence(read_models(text), 3, GUARDS)


def test_guards_are_points() -> None:
    with pytest.raises(UsageError, match="--max-accuracy-loss wants points"):
        read_defence(read_models("aligned,lox"), 3, (10.0, -1.0))


@pytest.mark.parametrize("name", names_of(Kind.METHODS))
def test_where_a_method_looks_is_allowed_to_its_arguments(name: str) -> None:
    cls = load_code(Kind.METHODS, name)
    search: Mapping[str, Between] = getattr(cls, "search", {})
    known = {argument.name: argument for argument in describe_arguments(cls)}
    for key, between in search.items():
        assert known[key].type in {int, float}
        assert all(isfinite(end) and known[key].holds(end) for end in (between.low, between.high))
        assert between.low < between.high
        assert between.low > 0 or not between.log
