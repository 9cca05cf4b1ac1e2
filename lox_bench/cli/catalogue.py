"""What there is to choose from, as plain items; nothing heavy and nobody's code is imported."""

import ast
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from lox_bench.judges.kinds import CODE, KEYWORD
from lox_bench.registry import OURS, Entry, Kind, Table, entries, load

_UNSEEN: Final = "not imported; --load imports and describes it"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that can be named; ``kind`` is a method's place or a judge's kind."""

    name: str
    source: str
    what: str
    kind: str = ""
    arguments: tuple[str, ...] = ()


def items(kind: Kind, *, load_all: bool = False) -> list[Item]:
    """Everything of a kind; ``load_all`` imports what other packages offer.

    Raises:
        UsageError: a name is registered twice.
        SpecError: what is imported or read is broken.
    """
    known = entries(kind)
    twice = {entry.name for entry in known if sum(entry.name == it.name for it in known) > 1}
    return [
        _item(kind, entry, entry.full if _needs_full(entry, twice) else entry.name, load_all)
        for entry in known
    ]


def _needs_full(entry: Entry, twice: set[str]) -> bool:
    return entry.package != OURS or entry.name in twice


def _item(kind: Kind, entry: Entry, name: str, load_all: bool) -> Item:
    if isinstance(entry.where, str) and entry.package == OURS and kind is Kind.BACKENDS:
        return Item(name, entry.package, _docstring(entry.where))
    if entry.package != OURS and not load_all:
        return Item(name, entry.package, f"{entry.where} ({_UNSEEN})")
    found = load(kind, entry.full)
    if isinstance(found, Table):
        said = str(found.raw.get("kind", KEYWORD)) if kind is Kind.JUDGES else ""
        what = str(found.raw.get("description", ""))
        if kind is Kind.JUDGES:
            what = "\n".join(filter(None, (what, _worth(name))))
        return Item(name, entry.package, what, said, _rests_on(kind, found))
    return _method(name, entry, found) if kind is Kind.METHODS else _code(name, entry, found, kind)


def _rests_on(kind: Kind, found: Table) -> tuple[str, ...]:
    """Where an attack's schedule stands; who states a prompt set's numbers that nobody here saw."""
    source = str(found.raw.get("source", "")) if kind is Kind.ATTACKS else ""
    published = found.raw.get("published", {}) if kind is Kind.TASKS else {}
    stated = published.get("stated", "") if isinstance(published, dict) else ""
    said = source or (f"not seen here; its numbers as stated by {stated}" if stated else "")
    return (said,) if said else ()


def _worth(name: str) -> str:
    """How far a judge agrees with people, where that was measured."""
    from lox_bench.codec import hash_of
    from lox_bench.judges.calibrations import kappa_text
    from lox_bench.judges.choice import load_judge
    from lox_bench.judges.kinds import KeywordSpec, OfflineSpec, described, with_head

    spec = load_judge(name)
    if isinstance(spec, OfflineSpec):
        spec = with_head(spec)
    return (
        kappa_text(hash_of(described(spec))) if isinstance(spec, KeywordSpec | OfflineSpec) else ""
    )


def _method(name: str, entry: Entry, cls: type) -> Item:
    from lox_bench.methods.arguments import describe_arguments

    said = tuple(f"{one.shown}: {one.allowed}" for one in describe_arguments(cls))
    return Item(name, entry.package, _first_line(cls.__doc__), str(cls.place), said)  # type: ignore[attr-defined]


def _code(name: str, entry: Entry, found: Any, kind: Kind) -> Item:
    what = getattr(found, "description", "")
    said = CODE if kind is Kind.JUDGES else ""
    return Item(name, entry.package, what if isinstance(what, str) and what else
                _first_line(found.__doc__), said)  # fmt: skip


def _docstring(where: str) -> str:
    """First line of a class's docstring, read from its source: the module may be heavy."""
    module, _, name = where.partition(":")
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return ""
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    classes = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    return next((_first_line(ast.get_docstring(node)) for node in classes), "")


def _first_line(docstring: str | None) -> str:
    return (docstring or "").strip().partition("\n")[0]
