"""TOML of the user's and of others: plain data, or one line that says why not; no bombs."""

import re
import tomllib
from pathlib import Path
from typing import Any, Final

from lox_bench.errors import SpecError

LONGEST_TOML: Final = 4 << 20  # bytes
_CHAIN: Final = re.compile(  # tomllib takes its time on such keys
    r"(?<![\w-])(?:[\w-]++[ \t]*+\.[ \t]*+){65}"
)


def read_toml(file: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        SpecError: it cannot be read, or see ``parse_toml``.
    """
    try:
        if file.stat().st_size > LONGEST_TOML:
            raise SpecError(str(file), f"is larger than {LONGEST_TOML >> 20} MiB; no spec is")
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError(str(file), f"cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise SpecError(str(file), f"is no TOML ({error})") from error
    return parse_toml(text, where=str(file))


def parse_toml(text: str, *, where: str) -> dict[str, Any]:
    """TOML as plain data.

    Raises:
        SpecError: it is none, nests too deep, or holds a number of thousands of digits.
    """
    if _CHAIN.search(text):
        raise SpecError(where, "holds a key of more than 64 parts; no spec has one")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a TOMLDecodeError is a ValueError
        shown = "it nests too deep" if isinstance(error, RecursionError) else error
        raise SpecError(where, f"is no TOML ({shown})") from error
