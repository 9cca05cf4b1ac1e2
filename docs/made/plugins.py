"""What other people's code may add: names, forms and protocols, from the code."""

from collections.abc import Callable, Iterator
from typing import Any

from lox_bench import testing
from lox_bench.attacks.job import SftJob
from lox_bench.backends.backend import BuildGenerator
from lox_bench.cli.catalogue import Item, items
from lox_bench.judges.kinds import CodeJudge
from lox_bench.methods.method import (
    CheckpointMethod,
    Folders,
    Method,
    Models,
    Place,
    StageMethod,
    TensorMethod,
    TrainingMethod,
    Weights,
)
from lox_bench.registry import _PLACES as PLACES
from lox_bench.registry import CODE, OURS, Kind
from lox_bench.types import Completion, Generated, Generator, Label, Verdict
from made.text import docstring, table

_HEAD = """# Plug-ins

A package offers methods and the rest as entry points; a single file stands wherever a name does,
as `FILE.py:NAME` or `FILE.toml`. [CONTRIBUTING](../../CONTRIBUTING.md) shows one of each. Made from
the code when this site is built.

"""
_METHODS = (Method, TensorMethod, CheckpointMethod, TrainingMethod, StageMethod)
_HANDED = (Weights, Folders, Models, SftJob)
_ANSWERS = (BuildGenerator, Generator, Generated, Completion)


def page() -> str:
    """The whole page."""
    groups = [
        (
            place.singular,
            f"`{place.group}`",
            "code" if kind in CODE else "a folder of TOML, or code",
        )
        for kind, place in PLACES.items()
    ]
    lines = [_HEAD, "## Entry points", "", *table(("kind", "group", "what it names"), groups)]
    lines += [
        "## Methods",
        "",
        f"`place` is one of {', '.join(f'`{place}`' for place in Place)}.",
        "",
    ]
    lines += _protocols(*_METHODS)
    lines += ["### What a method is handed", "", *_protocols(*_HANDED)]
    lines += ["## Judges", "", *_protocols(CodeJudge, Verdict), _labels()]
    lines += ["## Back ends", "", *_protocols(*_ANSWERS)]
    lines += ["## For tests of your own", "", *_functions(testing.check_method,
              testing.assert_no_safety_regression)]  # fmt: skip
    return "\n".join([*lines, "## What ships", "", *_shipped()])


def _labels() -> str:
    return f"A label is one of {', '.join(f'`{label.value}`' for label in Label)}.\n"


def _protocols(*classes: type) -> list[str]:
    lines: list[str] = []
    for cls in classes:
        lines += [f"#### `{cls.__module__}.{cls.__name__}`", "", docstring(cls), ""]
        lines += _functions(*_members(cls))
        lines += table(("field", "type"), [(f"`{n}`", f"`{t}`") for n, t in _fields(cls)])
    return lines


def _members(cls: type) -> Iterator[Callable[..., Any]]:
    for name, member in vars(cls).items():
        found = member.fget if isinstance(member, property) else member
        if callable(found) and (not name.startswith("_") or name == "__call__"):
            yield found


def _functions(*functions: Callable[..., Any]) -> list[str]:
    import inspect

    lines: list[str] = []
    for one in functions:
        if docstring(one) and not one.__name__.startswith("_no_init"):
            lines += ["```python", f"def {one.__name__}{inspect.signature(one)}", "```", ""]
            lines += [_indented(docstring(one)), ""]
    return lines


def _indented(text: str) -> str:
    """A docstring whose sections (``Args:``) Markdown would run together, as it stands."""
    return f"```text\n{text}\n```" if "\n    " in text else text


def _fields(cls: type) -> list[tuple[str, str]]:
    found = getattr(cls, "__dataclass_fields__", {})
    shown = [(name, one.type) for name, one in found.items()]
    return [(name, getattr(kind, "__name__", str(kind))) for name, kind in shown]


def _shipped() -> list[str]:
    lines: list[str] = []
    for kind in (
        Kind.METHODS,
        Kind.BACKENDS,
        Kind.ATTACKS,
        Kind.JUDGES,
        Kind.FAMILIES,
        Kind.STUDIES,
    ):
        ours = [item for item in items(kind) if item.source == OURS]
        rows = [(f"`{item.name}`", item.kind, _what(item)) for item in ours]
        lines += [f"### {kind.value.capitalize()}", "", *table(("name", "", "what it is"), rows)]
    return lines


def _what(item: Item) -> str:
    return "; ".join([item.what.replace("\n", "; "), *item.arguments])
