"""Data files of strangers: every fault is one line with its place."""

import pytest

from lox_bench.data.jsonl import LONGEST_LINE, parse_jsonl
from lox_bench.data.stage import parse_prompts
from lox_bench.errors import DataError

GOOD = '{"id": "a", "prompt": "How?"}'


@pytest.mark.fault(17)
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2"),
        ("[1, 2]", "object was wanted"),
        ('"text"', "object was wanted"),
        ("null", "object was wanted"),
        ('{"id": "b", "prompt": NaN}', "NaN"),
        ('{"id": "b", "prompt": -Infinity}', "Infinity"),
        ('{"id": "b", "prompt": "\\ud800"}', "half a character"),
        ("[" * 100_000, "deeper"),
        ('{"id": "b", "prompt": "' + "x" * LONGEST_LINE + '"}', "longer than"),
        ('{"id": "b", "n": ' + "9" * 5000 + "}", "line 2"),
        ("id,prompt", "line 2"),
        ("\x00", "line 2"),
        ('{"id": "b", "prompt": "x"} trailing', "line 2"),
        ("{'id': 'b'}", "line 2"),
        ('{"id": "b"}', "no text under 'prompt'"),
        ('{"prompt": "x"}', "no text under 'id'"),
        ('{"id": 7, "prompt": "x"}', "no text under 'id'"),
        ('{"id": "b", "prompt": ["x"]}', "no text under 'prompt'"),
        ('{"id": "b", "prompt": null}', "no text under 'prompt'"),
        ('{"id": "b", "prompt": "  "}', "empty"),
        ('{"id": "", "prompt": "x"}', "empty"),
        ('{"id": "b", "prompt": "x", "hazard": 3}', "no text under 'hazard'"),
    ],
)
def test_a_broken_row_is_named(line: str, said: str) -> None:
    with pytest.raises(DataError, match=said) as refused:
        parse_prompts(f"{GOOD}\n{line}\n", "mine.jsonl")
    assert str(refused.value).startswith("mine.jsonl")
    assert len(str(refused.value)) < 400


@pytest.mark.fault(20)
@pytest.mark.parametrize("second", [GOOD, '{"id": "a", "prompt": "Another?"}'])
def test_one_id_is_one_prompt(second: str) -> None:
    with pytest.raises(DataError, match="'a' comes twice"):
        parse_prompts(f"{GOOD}\n{second}", "mine.jsonl")


@pytest.mark.fault(17)
@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff", "   \n \n"])
def test_a_file_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="no rows"):
        parse_jsonl(text, where="mine.jsonl")


@pytest.mark.fault(17)
@pytest.mark.parametrize("value", ["007", "2024-01-01", "1e5", "1,600", "[1, 2]", "NA", "null", ""])
def test_text_stays_text(value: str) -> None:
    (row,) = parse_jsonl(f'\ufeff{{"a": "{value}"}}\r\n', where="mine.jsonl")
    assert row == {"a": value}
