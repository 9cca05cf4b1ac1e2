"""Text of strangers on the terminal: what would act there is shown instead of done."""

import sys
import unicodedata


def harmless(text: str) -> str:
    r"""One line without escape sequences, control and bidirectional characters, or half ones.

    They are written out (``\x1b``), as is what the terminal's encoding has no sign for.
    """
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    shown = "".join(char if _is_plain(char) else ascii(char)[1:-1] for char in _one_line(text))
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def _one_line(text: str) -> str:
    return " ".join(text.split("\n"))


def _is_plain(char: str) -> bool:
    return unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
