"""Errors quote strangers' words; on the terminal they are one line that does nothing."""

import pytest

from lox_bench.harmless import harmless, visible


@pytest.mark.fault(25)
@pytest.mark.parametrize(
    "text",
    ["\x1b[31mred", "\x1b]0;title\x07", "a\x00b", "\x9b2J", "\u202egpj.exe", "\u2066x\u2069",
     "two\nlines", "tab\there", "\rover", "\x08back", "\u200bnothing", "\ud800half", "\u2028line",
     "\x7f", "\ue000", "\x1b[2J\x1b[H"],
)  # fmt: skip
def test_nothing_in_a_message_acts(text: str) -> None:
    shown = harmless(text)
    assert shown.isprintable()
    assert "\x1b" not in shown
    shown.encode("utf-8")


@pytest.mark.parametrize("text", ["[/b] is markup", "$x$", "\u00fcber", "\u4e2d\u6587", "a  b"])
def test_what_does_nothing_stays(text: str) -> None:
    assert harmless(text) == text


@pytest.mark.fault(25)
@pytest.mark.parametrize(
    "char", "\u202a\u202b\u202d\u202e\u202c\u2066\u2067\u2068\u2069\x00\x1b\x9b\r"
)
def test_nothing_in_a_transcript_turns_what_stands_around_it(char: str) -> None:
    assert visible(f"a{char}b") == f"a{ascii(char)[1:-1]}b"


@pytest.mark.parametrize(
    "text",
    ["two\nlines\tand", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u05e9\u05dc\u05d5\u05dd"],
)
def test_scripts_and_emoji_are_left_alone(text: str) -> None:
    assert visible(text) == text
