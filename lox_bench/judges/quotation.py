"""Take out of a judge's reply what it only quotes from the answer it judges.

An answer may say "score: 1" in the hope that the judge repeats it; a repeated verdict is none.
One pass from left to right, in time proportional to the text: an opening mark without its closing
one is looked for once.
"""

import re
from collections.abc import Mapping
from typing import Final

_LEAST = 8  # normalised characters; shorter quotations are the judge's own scare quotes
_MARKS: Final[Mapping[str, str]] = {
    "```": "```", "`": "`", '"': '"', "\u201c": "\u201d", "\u2018": "\u2019", "\u00ab": "\u00bb",
    "'": "'",
}  # fmt: skip
_MARK = re.compile("```|[`\"\u201c\u2018\u00ab]|(?<!\\w)'")
_APOSTROPHE = re.compile(r"'(?!\w)")
_BLOCK_LINE = re.compile(r"^[ \t]*>[ \t]?(.*)$", re.MULTILINE)


def without_quotations(reply: str, answer: str) -> str:
    """``reply`` with every passage in quotation marks blanked that stands in ``answer`` as well."""
    source = normal(answer)

    def blanked(passage: str) -> str:
        words = normal(passage)
        return " " if len(words) >= _LEAST and words in source else passage

    lines = _BLOCK_LINE.sub(lambda match: blanked(match[0]), reply)
    return "".join(blanked(part) if quoted else part for part, quoted in _parts(lines))


def _parts(text: str) -> list[tuple[str, bool]]:
    """The text in pieces, each quoted or not."""
    parts: list[tuple[str, bool]] = []
    unclosed: set[str] = set()
    start = at = 0
    while opened := _MARK.search(text, at):
        end = -1 if opened[0] in unclosed else _end(text, opened)
        if end < 0:
            unclosed.add(opened[0])
            at = opened.end()
            continue
        parts += [(text[start : opened.start()], False), (text[opened.start() : end], True)]
        start = at = end
    return [*parts, (text[start:], False)]


def _end(text: str, opened: re.Match[str]) -> int:
    """Where the quotation ends that a mark opens; -1 if it never does."""
    if opened[0] == "'":
        closed = _APOSTROPHE.search(text, opened.end())
        return closed.end() if closed else -1
    mark = _MARKS[opened[0]]
    found = text.find(mark, opened.end())
    return found + len(mark) if found >= 0 else -1


def repeats(words: str, answer: str) -> bool:
    """Whether ``words`` stand in ``answer``, letter case, spaces and marks aside."""
    return normal(words) in normal(answer)


def normal(text: str) -> str:
    """Lower-case letters and digits of ``text``, single spaces between words."""
    return " ".join(re.findall(r"\w+", text.lower().replace("_", " ")))
