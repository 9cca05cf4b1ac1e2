"""The little language of --models and --attack."""

import pytest

from lox_bench.errors import UsageError
from lox_bench.grammar import Call, parse_call, parse_calls, split_list


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("aligned,lox", ["aligned", "lox"]),
        ("lox(k=2,alpha=0.5), base", ["lox(k=2,alpha=0.5)", "base"]),
        (" aligned ", ["aligned"]),
    ],
)
def test_commas_inside_parentheses_do_not_split(text: str, items: list[str]) -> None:
    assert split_list(text) == items


def test_a_call_keeps_its_arguments_in_order() -> None:
    call = parse_call("lox(k=2, alpha=0.5)")
    assert call == Call("lox", {"k": "2", "alpha": "0.5"})
    assert str(call) == "lox(k=2,alpha=0.5)"


@pytest.mark.parametrize("target", ["/models/mine", "org/name@rev", "./a=b"])
def test_a_name_can_point_to_a_path_or_hub_id(target: str) -> None:
    assert parse_call(f"mine={target}") == Call("mine", {}, target)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "aligned,,lox",
        "aligned,",
        "lox(k=2",
        "lox)k=2(",
        "lox(2)",
        "lox(k=)",
        "lox(k=1,k=2)",
        "aligned,aligned",
        "mine=",
        "a b",
        "1model",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_calls(text)
