"""JSON of strangers: what the standard knows is read, everything else is one clear line."""

import json
import time
from contextlib import suppress
from pathlib import Path

import pytest

from lox_bench.errors import DataError, SpecError
from lox_bench.strict_json import DEEPEST, parse_json
from lox_bench.strict_toml import LONGEST_TOML, read_toml


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


BOMBS = {
    "deep lists": "a = " + "[" * 100_000,
    "deep lists, closed": "a = " + "[" * 20_000 + "]" * 20_000,
    "deep tables": "a = " + "{a=" * 20_000 + "1" + "}" * 20_000,
    "dotted keys": "a" + ".a" * 50_000 + " = 1",
    "long number": "a = " + "9" * 5000,
    "unclosed text": 'a = "' + "x" * 100_000,
    "no TOML": "\x00",
    "half a table": "[a",
    "twice": "a = 1\na = 2",
}


@pytest.mark.fault(26)
@pytest.mark.parametrize("kind", BOMBS)
def test_a_toml_bomb_is_one_line(tmp_path: Path, kind: str) -> None:
    (tmp_path / "bomb.toml").write_text(BOMBS[kind])
    start = time.monotonic()
    with suppress(SpecError):  # what the standard allows is read
        read_toml(tmp_path / "bomb.toml")
    assert time.monotonic() - start < 5


@pytest.mark.fault(26, inputs=2)
def test_a_toml_file_of_a_size_that_none_has_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "big.toml").write_text("# " + "x" * LONGEST_TOML)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    for name in ("big.toml", "binary.toml"):
        with pytest.raises(SpecError, match=r"larger than|no TOML"):
            read_toml(tmp_path / name)
