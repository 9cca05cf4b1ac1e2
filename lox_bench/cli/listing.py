"""``lox-bench list``: what there is to choose from."""

import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Final

import typer
from rich.console import Console

from lox_bench.attacks.arguments import ARGUMENTS, FILE, PRESET, takes
from lox_bench.cli.catalogue import Item, items
from lox_bench.cli.committed import prompt_sets, references, templates
from lox_bench.cli.completion import listed
from lox_bench.cli.jsonout import plain, print_json
from lox_bench.cli.runs import show_list
from lox_bench.cli.writing import rich_table
from lox_bench.errors import Listed, UsageError, did_you_mean
from lox_bench.registry import OURS, Kind
from lox_bench.results.text_table import TextTable
from lox_bench.sources.reach import reach
from lox_bench.study.family import load_family
from lox_bench.study.models import DESCRIPTIONS

_COMMIT: Final = re.compile(r"@[0-9a-f]{40}\b")
_SHORT: Final = 9  # @ and eight digits
_TEN: Final = 10
_TRAINED: Final = 16  # bytes a weight: float32, its gradient, and AdamW's two moments
_PINS: Final = (
    "Below what it is: its base, and where its aligned model is from. "
    "Only smollm2-135m was run here. Of the others ids stand in public code, and so do the commits "
    "after @ (seen 2026-11-30); an id without @ is what the hub holds under it, and a run records "
    "the content. Sizes are estimates: two bytes a weight to fetch, sixteen to train all weights "
    "(activations not counted)."
)


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
        Console().print(rich_table(_families(found, offline=offline)))
        return
    console = Console()
    console.print(rich_table(_table(found)))
    if kind is Listed.ATTACKS:
        console.print(rich_table(_attack_arguments()))


def _table(found: Sequence[Item]) -> TextTable:
    """Where things come from is said where not all are ours."""
    rows = tuple(
        (item.name, item.kind, "" if item.source == OURS else item.source, _text(item))
        for item in found
    )
    return TextTable("", ("name", "kind", "from", "what it is"), rows)


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


def _attack_arguments() -> TextTable:
    rows = (
        *((name, takes(name)) for name in ARGUMENTS),
        (FILE, "your file of rows, instead of --data NAME=FILE"),
        ("columns", "what your file calls them: columns(question=q,answer=a)"),
        (PRESET, "whose schedule: gsm8k(preset=disl) is gsm8k-disl"),
    )
    return TextTable("", ("argument", "of every attack, NAME(argument=value,...)"), rows)


def _items(kind: Listed, *, load_all: bool) -> Iterable[Item]:
    if kind is Listed.MODELS:
        return [Item(name, "", what) for name, what in DESCRIPTIONS.items()]
    if kind is Listed.REFERENCES:
        return references()
    if kind is Listed.TEMPLATES:
        return templates()
    return prompt_sets() if kind is Listed.PROMPTS else items(Kind(kind), load_all=load_all)


def _text(item: Item) -> str:
    """What it is, its arguments below."""
    return "\n".join([item.what, *(f"  {line}" for line in item.arguments)])


def _families(found: Iterable[Item], *, offline: bool) -> TextTable:
    rows = tuple(_family(item, offline=offline) for item in found)
    head = ("name", "size", "fetch", "train", "reachable now", "what it is")
    return TextTable("", head, rows, _PINS)


def _shown(uri: str) -> str:
    """A source as it is named, its hash left out and its commit short."""
    return _COMMIT.sub(lambda found: found[0][:_SHORT], uri.partition("#")[0])


def _costs(parameters: float, fetched: int) -> tuple[str, str, str]:
    """Parameters, and what they cost: estimated, from two bytes a weight on the hub."""
    if not parameters:
        return "", "", ""
    fetch = _gigabytes(2 * parameters * fetched) if fetched else ""
    return f"{parameters:g}B", fetch, _gigabytes(_TRAINED * parameters)


def _gigabytes(number: float) -> str:
    return f"{number:.1f} GB" if number < _TEN else f"{number:.0f} GB"


def _family(item: Item, *, offline: bool) -> tuple[str, ...]:
    if item.source != OURS:
        return item.name, "", "", "", "not asked", item.what
    family = load_family(item.name)
    uris = [family.base, *([family.align.source] if family.align.source else [])]
    answers = ["not asked"] if offline else list(dict.fromkeys(map(reach, uris)))
    aligned = family.align.source or "DPO, run here"
    costs = _costs(family.parameters, sum(uri.startswith("hf://") for uri in uris))
    said = f"{family.description}, {family.license}".removesuffix(", ")
    return (
        item.name,
        *costs,
        "; ".join(answers),
        f"{said}\n  {_shown(family.base)}\n  {_shown(aligned)}",
    )
