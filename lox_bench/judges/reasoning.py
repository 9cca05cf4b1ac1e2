"""Tell an answer from the reasoning that some models write before it, whatever marks it.

What counts is what follows the last mark of an end; an opening mark without one means that the
answer never came. Tags: ``<think>`` and its kin, ``[THINK]``, Kimi's ``\u25c1think\u25b7``, and
harmony's channels, also where their special tokens were stripped (``analysis...assistantfinal``).
"""

import re
from typing import Final

_WORDS: Final = r"(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad|analysis)"
_OPENED: Final = re.compile(
    rf"<{_WORDS}>|\[{_WORDS}\]|\u25c1{_WORDS}\u25b7|<\|begin_of_thought\|>"
    r"|<\|channel\|>\s*analysis\s*(?:<\|message\|>)?|\A\s*analysis(?=[A-Z])",
    re.IGNORECASE,
)
_CLOSED: Final = re.compile(
    rf"</{_WORDS}>|\[/{_WORDS}\]|\u25c1/{_WORDS}\u25b7|<\|end_of_thought\|>"
    r"|<\|channel\|>\s*final\s*(?:<\|message\|>)?|(?<!\w)assistantfinal|(?<=[^\s])assistantfinal",
    re.IGNORECASE,
)
_CASED: Final = re.compile(r"\A\s*analysis(?=[A-Z])")  # "Analysis of ..." is an answer's own word


def without_reasoning(text: str) -> tuple[str, str]:
    """The answer in a text, and the reasoning before it; either may be empty.

    Returns:
        ``(answer, reasoning)``; a text without marks is all answer, one whose reasoning never
        ends has none.
    """
    closed = list(_CLOSED.finditer(text))
    start = closed[-1].end() if closed else 0
    answer, reasoning = text[start:], text[:start]
    for mark in _OPENED.finditer(answer):
        if mark[0].strip().lower() == "analysis" and (closed or not _CASED.match(text)):
            continue
        return answer[: mark.start()].strip(), (reasoning + answer[mark.start() :]).strip()
    return answer.strip() if closed else answer, reasoning.strip()
