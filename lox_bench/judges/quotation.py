"""Take out of a judge's reply what it only quotes from the answer it judges.

An answer may say "score: 1" in the hope that the judge repeats it; a repeated verdict is none.
"""

import re

_LEAST = 8  # normalised characters; shorter quotations are the judge's own scare quotes
_QUOTED = re.compile(
    r"```.*?```|`[^`]*`|\"[^\"]*\"|\u201c[^\u201d]*\u201d|\u2018[^\u2019]*\u2019|\u00ab[^\u00bb]*\u00bb"
    r"|(?<!\w)'[^']*'(?!\w)",
    re.DOTALL,
)
_BLOCK_LINE = re.compile(r"^[ \t]*>[ \t]?(.*)$", re.MULTILINE)


def without_quotations(reply: str, answer: str) -> str:
    """``reply`` with every passage in quotation marks blanked that stands in ``answer`` as well."""
    source = normal(answer)

    def blank(match: re.Match[str]) -> str:
        words = normal(match[0])
        return " " if len(words) >= _LEAST and words in source else match[0]

    return _QUOTED.sub(blank, _BLOCK_LINE.sub(blank, reply))


def repeats(words: str, answer: str) -> bool:
    """Whether ``words`` stand in ``answer``, letter case, spaces and marks aside."""
    return normal(words) in normal(answer)


def normal(text: str) -> str:
    """Lower-case letters and digits of ``text``, single spaces between words."""
    return " ".join(re.findall(r"\w+", text.lower().replace("_", " ")))
