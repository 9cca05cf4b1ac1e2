"""The little language of --models and --attack."""

import pytest

from lox_bench.errors import UsageError
from lox_bench.grammar import Call, parse_call, parse_calls, parse_sum, split_list


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


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("lox(k=6)+safe-lora+wise-ft(alpha=0.3)", ["lox(k=6)", "safe-lora", "wise-ft(alpha=0.3)"]),
        (" lox + wise-ft ", ["lox", "wise-ft"]),
        ("lox(alpha=1e+0)+lox(alpha=+2)", ["lox(alpha=1e+0)", "lox(alpha=+2)"]),
        ("aligned", ["aligned"]),
        ("mine=./c++/model", ["mine=./c++/model"]),
        ("pkg/scale(by=2)+./mine.py:Mine", ["pkg/scale(by=2)", "./mine.py:Mine"]),
        ("/abs/a_b.py:Mine(k=1)", ["/abs/a_b.py:Mine(k=1)"]),
    ],
)
def test_a_sum_is_split_at_plus_signs_outside_parentheses(text: str, parts: list[str]) -> None:
    assert [str(call) for call in parse_sum(text)] == parts


@pytest.mark.parametrize(
    "text", ["lox+", "+lox", "lox++expo", "lox(k=1+expo", "lox+2", "lox)+expo"]
)
def test_a_sum_with_a_missing_part_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_sum(text)


@pytest.mark.fault(21)
@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ('mine="/models/a, b",aligned', ["/models/a, b", None]),
        ("mine='/models/a, b' , other=/c", ["/models/a, b", "/c"]),
        ('mine="/models/v2 (final), checked"', ["/models/v2 (final), checked"]),
        ('mine="/models/a(b"', ["/models/a(b"]),
        ("mine=/models/it's here", ["/models/it's here"]),
        ('a="/x,y",b="/y,x"', ["/x,y", "/y,x"]),
        ("mine=/with space/and+plus", ["/with space/and+plus"]),
    ],
)
def test_a_path_may_hold_anything_in_quotes(text: str, targets: list[str | None]) -> None:
    assert [parse_sum(item)[0].target for item in split_list(text)] == targets


@pytest.mark.fault(21)
@pytest.mark.parametrize("text", ['mine="/a, b', "mine='/a,b", 'mine=""', "mine='  '"])
def test_a_quotation_is_closed_and_holds_something(text: str) -> None:
    with pytest.raises(UsageError):
        [parse_sum(item) for item in split_list(text)]
