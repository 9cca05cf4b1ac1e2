"""``lox-bench list``: what there is to choose from."""

import re
from collections.abc import Iterable
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lox_bench.attacks.arguments import ARGUMENTS, FILE, PRESET, takes
from lox_bench.cli.catalogue import Item, items, prompt_sets, templates
from lox_bench.cli.completion import listed
from lox_bench.cli.jsonout import plain, print_json
from lox_bench.cli.runs import show_list
from lox_bench.errors import Listed, UsageError, did_you_mean
from lox_bench.registry import OURS, Kind
from lox_bench.sources.reach import reach
from lox_bench.study.family import load_family
from lox_bench.study.models import DESCRIPTIONS

_COMMIT: Final = re.compile(r"@[0-9a-f]{40}\b")
_SHORT: Final = 9  # @ and eight digits
_TEN: Final = 10
_TRAINED: Final = 16  # bytes a weight: float32, its gradient, and AdamW's two moments
_PINS: Final = (
    "Only smollm2-135m was run here. Of the others ids stand in public code, and so do the commits "
    "after @ (seen 2026-11-30); an id without @ is what the hub holds under it, and a run records "
    "the content. Sizes are estimates: two bytes a weight to fetch, sixteen to train all weights "
    "(activations not counted)."
)
_REFERENCE = "committed results, for lox-bench check --against"


def list_names(
    what: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help=f"What to list: {', '.join(Listed)}.",
            autocompletion=listed,
        ),
    ],
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not ask the hub what is reachable.")
    ] = False,
    load: Annotated[
        bool, typer.Option("--load", help="Import what other packages offer, to describe it.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, nothing else.")] = False,
) -> None:
    """List families, methods, attacks, tasks, judges and whatever else has a name."""
    kind = _kind(what)
    if kind is Listed.RUNS:
        show_list(json=json)
        return
    found = list(_items(kind, load_all=load))
    if json:
        print_json(plain(found))
        return
    if kind is Listed.FAMILIES:
        Console().print(_families(found, offline=offline))
        Console().print(f"[dim]{_PINS}[/]")
        return
    headed = [
        ("name", [item.name for item in found]),
        ("kind", [item.kind for item in found]),
        ("from", [item.source for item in found]),
        ("what it is", [_text(item) for item in found]),
    ]
    shown = [(head, cells) for head, cells in headed if any(cells)]
    table = _table(*(head for head, _ in shown))
    for row in zip(*(cells for _, cells in shown), strict=True):
        table.add_row(*row)
    Console().print(table)
    if kind is Listed.ATTACKS:
        Console().print(_attack_arguments())


def _kind(what: str) -> Listed:
    """One of them, or of several: ``attack`` is ``attacks``, ``family`` is ``families``."""
    plural = {f"{kind}".removesuffix("s"): kind for kind in Listed} | {
        f"{kind}".removesuffix("ies") + "y": kind for kind in Listed if kind.endswith("ies")
    }
    word = what.lower()
    if word in {*Listed}:
        return Listed(word)
    if word not in plural:
        known = [str(kind) for kind in Listed]
        hint = did_you_mean(what, known) or f"; it lists {', '.join(known)}"
        raise UsageError(f"list: {what!r} is nothing that can be listed{hint}")
    return plural[word]


def _attack_arguments() -> Table:
    table = _table("argument", "of every attack, NAME(argument=value,...)")
    for name in ARGUMENTS:
        table.add_row(name, escape(takes(name)))
    table.add_row(FILE, "your file of rows, instead of --data NAME=FILE")
    table.add_row("columns", "what your file calls them: columns(question=q,answer=a)")
    table.add_row(PRESET, "whose schedule: gsm8k(preset=disl) is gsm8k-disl")
    return table


def _items(kind: Listed, *, load_all: bool) -> Iterable[Item]:
    if kind is Listed.MODELS:
        return [Item(name, "", what) for name, what in DESCRIPTIONS.items()]
    if kind is Listed.REFERENCES:
        from lox_bench.gate.reference import reference_names

        return [Item(name, "", _REFERENCE) for name in reference_names()]
    if kind is Listed.TEMPLATES:
        return templates()
    return prompt_sets() if kind is Listed.PROMPTS else items(Kind(kind), load_all=load_all)


def _text(item: Item) -> str:
    """What it is, its arguments below."""
    return "\n".join([escape(item.what), *(f"[dim]  {escape(line)}[/]" for line in item.arguments)])


def _families(found: Iterable[Item], *, offline: bool) -> Table:
    table = _table("name", "size", "reachable now", "what it is")
    for item in found:
        if item.source != OURS:
            table.add_row(item.name, "", "not asked", escape(item.what))
            continue
        family = load_family(item.name)
        uris = [family.base, *([family.align.source] if family.align.source else [])]
        answers = ["not asked"] if offline else list(dict.fromkeys(map(reach, uris)))
        aligned = _shown(family.align.source) or "DPO, run here"
        origin = f"[dim]{_shown(family.base)} -> {aligned}[/]"
        size = _size(family.parameters, sum(uri.startswith("hf://") for uri in uris))
        said = f"{escape(family.description)}, {escape(family.license)}".removesuffix(", ")
        table.add_row(item.name, size, "; ".join(answers), f"{said}\n{origin}")
    return table


def _shown(uri: str) -> str:
    """A source as it is named, its hash left out and its commit short."""
    return _COMMIT.sub(lambda found: found[0][:_SHORT], uri.partition("#")[0])


def _size(parameters: float, fetched: int) -> str:
    """Parameters, and what they cost: estimated, from two bytes a weight on the hub."""
    if not parameters:
        return ""
    fetch = f"\nfetch {_gigabytes(2 * parameters * fetched)}" if fetched else ""
    return f"{parameters:g}B{fetch}\ntrain {_gigabytes(_TRAINED * parameters)}"


def _gigabytes(number: float) -> str:
    return f"{number:.1f} GB" if number < _TEN else f"{number:.0f} GB"


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
