"""Errors quote strangers' words; on the terminal they are one line that does nothing."""

import pytest

from lox_bench.cli.harmless import harmless


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
