"""JSON of strangers: what the standard knows is read, everything else is one clear line."""

import json

import pytest

from lox_bench.errors import DataError
from lox_bench.strict_json import DEEPEST, parse_json


@pytest.mark.parametrize(
    "text",
    ["{}", "[1, -2.5e3, null, true]", '"[[[[" ', '{"a": "\\ud83d\\ude00"}', '{"a": "\\\\ud800"}',
     "[" * DEEPEST + "]" * DEEPEST, json.dumps("[{" * 500), json.dumps('"\\' * 500)],
)  # fmt: skip
def test_what_the_standard_knows_is_read_as_json_reads_it(text: str) -> None:
    assert parse_json(text, where="x") == json.loads(text)


@pytest.mark.fault(26)
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[" * 100_000, "deeper"),
        ('{"a":' * 70 + "1" + "}" * 70, "deeper"),
        ("[" + "[]," * 80 + "[" * 65 + "]" * 66, "deeper"),
        ("9" * 5000, "no JSON"),
        ("-" + "9" * 100_000, "no JSON"),
        ("1e999", "too large"),
        ("[NaN]", "NaN"),
        ('{"a": -Infinity}', "Infinity"),
        ('"\\ud800"', "half a character"),
        ('{"\\udc00": 1}', "half a character"),
        ('{"a": ["\\uD83D x"]}', "half a character"),
        ("", "no JSON"),
        ("{'a': 1}", "no JSON"),
        ("{} {}", "no JSON"),
    ],
)
def test_bombs_and_half_characters_are_refused_with_their_place(text: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem) as refused:
        parse_json(text, where="reply.json")
    assert str(refused.value).startswith("reply.json")
    assert len(str(refused.value)) < 300
