"""The little language of ``--models`` and ``--attack``: names, calls, sums, and named paths.

A name may be one of ours (``lox``), a third party's (``package/name``) or something in a file
(``mine.py:Mine``).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lox_bench.errors import UsageError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
_QUOTED = re.compile(r"""=\s*(?P<all>(?P<mark>["'])[^"']*(?P<end>(?P=mark))?)""")
_INNER = re.compile(r"(?P<name>[a-z]+)\((?P<args>[^()]+)\)")
_ITEM = re.compile(r"(?P<name>[A-Za-z./~_][A-Za-z0-9._~/:-]*)(?:\((?P<args>.*)\))?")


@dataclass(frozen=True, slots=True)
class Call:
    """``name``, ``name(key=value, ...)`` or ``name=target``."""

    name: str
    args: Mapping[str, str]
    target: str | None = None

    def __str__(self) -> str:
        """The item in its canonical spelling."""
        if self.target is not None:
            return f"{self.name}={self.target}"
        inner = ",".join(f"{key}={value}" for key, value in self.args.items())
        return f"{self.name}({inner})" if inner else self.name


def split_list(text: str) -> list[str]:
    """Split at commas outside parentheses and quotes; blanks around items are dropped.

    A path with a comma or a parenthesis in it stands in quotes: ``mine="/models/a, b"``.

    Raises:
        UsageError: a parenthesis or quotation mark is not closed or not opened, or an item is
            empty.
    """
    return _split(text, ",", "commas")


def _split(text: str, mark: str, marks: str) -> list[str]:
    items, depth, start = [], 0, 0
    quoted = _quoted(text)
    for position, char in enumerate(text):
        if position in quoted:
            continue
        depth += (char == "(") - (char == ")")
        if depth < 0:
            raise UsageError(f"{text!r}: the ')' at position {position + 1} closes nothing")
        if char == mark and depth == 0:
            items.append(text[start:position].strip())
            start = position + 1
    if depth:
        raise UsageError(f"{text!r}: a '(' is not closed")
    items.append(text[start:].strip())
    if not all(items):
        raise UsageError(f"{text!r} holds an empty item; write names separated by single {marks}")
    return items


def _quoted(text: str) -> set[int]:
    """Positions inside quotation marks that follow an equals sign, the marks themselves too."""
    found: set[int] = set()
    for match in _QUOTED.finditer(text):
        if match["end"] is None:
            raise UsageError(f"{text!r}: the quotation mark after '=' is not closed")
        found.update(range(*match.span("all")))
    return found


def parse_calls(text: str) -> list[Call]:
    """Read a comma list of items; the same item twice is an error, not a silent merge.

    Raises:
        UsageError: an item is malformed or repeated.
    """
    calls = [parse_call(item) for item in split_list(text)]
    names = [str(call) for call in calls]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{name!r} is listed twice in {text!r}")
    return calls


def parse_sum(item: str) -> list[Call]:
    """Read a composition, ``lox(k=6)+safe-lora+wise-ft(alpha=0.3)``, into its calls, in order.

    ``name=path`` is one call, whatever its path holds.

    Raises:
        UsageError: a part is malformed, or missing as in ``lox+``.
    """
    if _is_named(item):
        return [parse_call(item)]
    return [parse_call(part) for part in _split(item, "+", "plus signs")]


def parse_call(item: str) -> Call:
    """Read one item.

    Raises:
        UsageError: it is neither a name, a call with ``key=value`` arguments, nor ``name=path``.
    """
    if _is_named(item):
        head, _, target = item.partition("=")
        path = target.strip()
        if path[:1] in {'"', "'"} and path[-1] == path[0]:
            path = path[1:-1]
        if not path.strip():
            raise UsageError(f"{item!r} names no path or hub id after '='")
        return Call(name=head.strip(), args={}, target=path)
    match = _ITEM.fullmatch(item)
    if match is None:
        raise UsageError(f"{item!r} is not a name, name(key=value,...) or name=path")
    args = match["args"]
    return Call(name=match["name"], args=_arguments(item, args) if args else {})


def _flat(part: str) -> list[str]:
    inner = _INNER.fullmatch(part)
    if inner is None:
        return [part]
    return [f"{inner['name']}_{pair.strip()}" for pair in split_list(inner["args"])]


def _is_named(item: str) -> bool:
    head, equals, _ = item.partition("=")
    return bool(equals and _NAME.fullmatch(head.strip()))


def _arguments(item: str, text: str) -> dict[str, str]:
    """``lr=1,lora(r=8,alpha=16)``: arguments of an inner call are ``lora_r`` and ``lora_alpha``."""
    args: dict[str, str] = {}
    for pair in [flat for part in split_list(text) for flat in _flat(part)]:
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not key or not value:
            raise UsageError(f"{item!r}: {pair!r} is not key=value")
        if key in args:
            raise UsageError(f"{item!r}: {key!r} is given twice")
        args[key] = value
    return args
