"""The table of methods says what the code says."""

from pathlib import Path

import pytest

from lox_bench.methods.arguments import describe_arguments
from lox_bench.registry import OURS, Kind, entries, load_code

PAGE = Path(__file__).parents[2] / "docs" / "methods.md"
OF_OURS = [entry.name for entry in entries(Kind.METHODS) if entry.package == OURS]


def table_of(head: str) -> list[str]:
    """The lines of a table, without its heads."""
    text = PAGE.read_text()
    return text[text.index(head) :].split("\n\n")[0].splitlines()[2:]


def row_of(name: str) -> list[str]:
    (line,) = (line for line in table_of("| method | place |") if line.startswith(f"| `{name}` |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize("name", OF_OURS)
def test_each_method_has_its_row_with_place_and_arguments(name: str) -> None:
    cls = load_code(Kind.METHODS, name)
    said = [f"`{item.shown}`: {item.allowed}" for item in describe_arguments(cls)]
    _, place, arguments, *_ = row_of(name)
    assert (place, arguments) == (cls.place, "; ".join(said))


def test_where_each_method_is_tuned_is_said() -> None:
    tuned = [(name, getattr(load_code(Kind.METHODS, name), "search", {})) for name in OF_OURS]
    wanted = [
        f"| `{name}` | "
        + ", ".join(
            f"`{key}={at.low:g}..{at.high:g}`{' (log)' * at.log}" for key, at in search.items()
        )
        + " |"
        for name, search in tuned
        if search
    ]
    assert sorted(table_of("| method | where it looks |")) == sorted(wanted)
