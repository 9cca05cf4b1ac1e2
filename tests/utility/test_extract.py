"""A spec's patterns: checked before work, and never the end of it."""

import time
from contextlib import suppress
from pathlib import Path

import pytest

from lox_bench.errors import SpecError
from lox_bench.registry import packaged_file
from lox_bench.utility import extract
from lox_bench.utility.extract import find_last
from lox_bench.utility.spec import load_utility

SECONDS = 0.2


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract, "LONGEST_SECONDS", SECONDS)


BOMBS = [r"(a+)+$", r"(a|a)+$", r"(.*a){25}$", r"^(([a-z])+.)+[A-Z]([a-z])+$", r"(\w+\s?)+!"]


@pytest.mark.fault(26)
@pytest.mark.parametrize("pattern", BOMBS)
def test_a_pattern_that_backtracks_without_end_is_stopped(pattern: str) -> None:
    start = time.monotonic()
    with suppress(SpecError):  # regex sees through some of them
        find_last(pattern, "a" * 5000 + "\x00")
    assert time.monotonic() - start < 10 * SECONDS


@pytest.mark.fault(26, inputs=1)
def test_and_the_message_says_why() -> None:
    with pytest.raises(SpecError, match=r"takes more than 0.2 s on an answer of 60 characters"):
        find_last(r"^(?:(a+)+\1)+b$", "a" * 60)


@pytest.mark.fault(28)
@pytest.mark.parametrize("pattern", ["(", "[", "*", "(?P<n", "a{2,1}", "\\"])
@pytest.mark.parametrize("key", ["extract", "flexible"])
def test_what_is_no_pattern_is_refused_when_it_is_read(
    tmp_path: Path, key: str, pattern: str
) -> None:
    text = packaged_file("utility/gsm8k.toml").read_text(encoding="utf-8")
    lines = [line for line in text.split("\n") if not line.startswith(key)]
    (tmp_path / "mine.toml").write_text(f"{key} = '{pattern}'\n" + "\n".join(lines))
    with pytest.raises(SpecError, match="no regular expression"):
        load_utility(str(tmp_path / "mine.toml"))


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [("#### (.*)", "#### 1\n#### 2", "2"), ("(a)|(b)", "a b", "b"), ("[0-9]+", "1 22", "22"),
     ("x", "y", ""), ("x()", "x", "x")],
)  # fmt: skip
def test_the_last_match_and_its_first_group_count(pattern: str, text: str, found: str) -> None:
    assert find_last(pattern, text) == found
