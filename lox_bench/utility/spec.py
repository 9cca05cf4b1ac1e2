"""Utility tasks as TOML files say them."""

from dataclasses import dataclass
from typing import Final

from lox_bench.data.spec import DataSpec
from lox_bench.names import Name
from lox_bench.ranges import CountOrAll, Tokens
from lox_bench.registry import Kind, load_spec
from lox_bench.utility.extract import require_pattern

LAST_NUMBER: Final = (
    r"((?<![0-9])[-\u2212]?[$€£]?[-\u2212]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?)"
)


@dataclass(frozen=True, slots=True)
class UtilitySpec:
    """A generative lm-eval task over an attack's own test split.

    ``extract`` finds the answer where the task asks for it, ``flexible`` wherever it stands; the
    last match counts, of its first group.
    """

    name: Name
    description: str
    data: DataSpec
    prompt: str
    target: str
    extract: str
    max_new_tokens: Tokens
    flexible: str = LAST_NUMBER
    standin_max_new_tokens: CountOrAll = 0  # 0: the same
    max_rows: CountOrAll = 0


def load_utility(name: str) -> UtilitySpec:
    """Read a utility task by name, or from a TOML file; see ``registry.load_spec``."""
    spec = load_spec(UtilitySpec, Kind.UTILITIES, name, ("data.file", "data.standin"))
    for key, pattern in (("extract", spec.extract), ("flexible", spec.flexible)):
        require_pattern(pattern, f"{name}: {key}")
    return spec
