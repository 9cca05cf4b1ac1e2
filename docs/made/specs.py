"""The TOML files that lox-bench reads, key by key, from the dataclasses that read them."""

import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

from lox_bench.attacks.spec import AttackSpec
from lox_bench.data.prompts import TaskSpec
from lox_bench.gate.bounds import Bound
from lox_bench.judges.kinds import KINDS
from lox_bench.names import Name
from lox_bench.ranges import OneOf, Range, bare
from lox_bench.registry import Kind
from lox_bench.study.family import FamilySpec
from lox_bench.study.file import StudyFile
from lox_bench.study.reproduction import Reproduction
from lox_bench.utility.spec import UtilitySpec
from made.text import docstring, table

SPECS: Mapping[Kind, tuple[type, ...]] = {
    Kind.STUDIES: (StudyFile,),
    Kind.REPRODUCTIONS: (Reproduction,),
    Kind.FAMILIES: (FamilySpec,),
    Kind.ATTACKS: (AttackSpec,),
    Kind.TASKS: (TaskSpec,),
    Kind.JUDGES: tuple(dict.fromkeys(KINDS.values())),
    Kind.UTILITIES: (UtilitySpec,),
}
_HEAD = """# Files

Every file that a user may write is TOML, at most 4 MiB, and read into one of the types below: an
unknown key, a missing one, or a value out of its range is one line that says which, and exit
code 2. Made from the code when this site is built. Each stands wherever a name of its kind is
taken: `--attack mine.toml`.
"""


def page() -> str:
    """The whole page."""
    lines = [_HEAD]
    for kind, classes in SPECS.items():
        lines += [f"## {kind.value.capitalize()}", ""]
        for cls in classes:
            lines += _section(cls, _judge_kinds(cls))
    return "\n".join([*lines, "## Bounds of the gate", "", *_section(Bound, "")])


def _judge_kinds(cls: type) -> str:
    named = ", ".join(f"`{name}`" for name, one in KINDS.items() if one is cls)
    return f"Of judges whose `kind` is {named}." if named else ""


def _section(cls: type, said: str) -> list[str]:
    lines = [f"### `{cls.__name__}`", ""] if said else []
    lines += [said, ""] if said else []
    lines += [docstring(cls), "", *table(("key", "value", "without it"), _rows(cls))]
    return lines


def _rows(cls: type, above: str = "") -> Iterator[tuple[str, str, str]]:
    """A key a row, those of tables below it with dots."""
    hints = get_type_hints(cls, include_extras=True)
    for one in fields(cls):
        hint, name = hints[one.name], f"{above}{one.name}"
        inner = next((part for part in _parts(hint) if is_dataclass(part)), None)
        if inner is None:
            yield f"`{name}`", wanted(hint), _without(one)
        else:
            yield f"`[{name}]`", "a table", _without(one)
            yield from _rows(inner, f"{name}.")


def _parts(hint: Any) -> tuple[Any, ...]:
    inner = bare(hint)
    return get_args(inner) if get_origin(inner) in {Union, types.UnionType} else (inner,)


def wanted(hint: Any) -> str:
    """In words what a value may be."""
    marks = getattr(hint, "__metadata__", ())
    ranges = [str(mark) for mark in marks if isinstance(mark, Range)]
    words = [" or ".join(f"`{word}`" for word in one) for one in marks if isinstance(one, OneOf)]
    kinds = [_kind(part) for part in _parts(hint) if part is not type(None)]
    return words[0] if words else ", ".join([" or ".join(kinds), *ranges])


_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Name: "a name",
}


def _kind(part: Any) -> str:
    origin = get_origin(part)
    if origin is tuple:
        inner = _kind(bare(get_args(part)[0])).removeprefix("a ")
        return "a list of " + {"whole number": "whole numbers", "text": "texts"}.get(
            inner, f"{inner}s"
        )
    if origin is not None:
        return "a table"
    members = [f"`{member.value}`" for member in getattr(part, "__members__", {}).values()]
    return " or ".join(members) or _KINDS.get(part, getattr(part, "__name__", str(part)))


def _without(one: "Field[Any]") -> str:
    if one.default_factory is not MISSING:
        return ""
    if one.default is MISSING:
        return "required"
    value = getattr(one.default, "value", one.default)
    if isinstance(value, tuple):
        return ", ".join(f"`{item}`" for item in value)
    if any(sign in str(value) for sign in "<|`"):
        return "a pattern of ours"
    return f"`{value}`" if value not in {None, ""} else ""
