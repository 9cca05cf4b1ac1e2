"""Text of strangers on the terminal and on pages: what would act there is shown, not done."""

import sys
import unicodedata
from typing import Final

# embeddings, overrides and isolates: they turn the text around them too
_DIRECTIONS: Final = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})


def harmless(text: str) -> str:
    r"""One line without escape sequences, control and bidirectional characters, or half ones.

    They are written out (``\x1b``), as is what the terminal's encoding has no sign for.
    """
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    shown = "".join(char if _is_plain(char) else ascii(char)[1:-1] for char in _one_line(text))
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def visible(text: str) -> str:
    r"""The text, its control and bidirectional characters written out (``\u202e``).

    Line breaks and tabs stay, and so do the joiners that scripts and emoji are written with.
    """
    return "".join(
        ascii(char)[1:-1] if _turns_text(char) or _controls(char) else char for char in text
    )


def _turns_text(char: str) -> bool:
    return unicodedata.bidirectional(char) in _DIRECTIONS


def _controls(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cs"} and char not in "\n\t"


def _one_line(text: str) -> str:
    return " ".join(text.split("\n"))


def _is_plain(char: str) -> bool:
    return unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
