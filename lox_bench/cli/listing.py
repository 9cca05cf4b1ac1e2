"""``lox-bench list``: what there is to choose from."""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from lox_bench.attacks.spec import load_attack
from lox_bench.data.prompts import load_task
from lox_bench.judges.choice import load_judge
from lox_bench.registry import names_of
from lox_bench.sources.reach import reach
from lox_bench.study.family import load_family
from lox_bench.study.models import DESCRIPTIONS

_REFERENCE = "committed results, for lox-bench check --against"


class Kind(StrEnum):
    """What can be listed."""

    FAMILIES = "families"
    MODELS = "models"
    ATTACKS = "attacks"
    TASKS = "tasks"
    JUDGES = "judges"
    REFERENCES = "references"


def list_names(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not ask the hub what is reachable.")
    ] = False,
) -> None:
    """List families, models, attacks, tasks, judges or references."""
    console = Console()
    if kind is Kind.FAMILIES:
        console.print(_families(offline=offline))
        return
    table = _table("name", "what it is")
    for name, description in _described(kind):
        table.add_row(name, description)
    console.print(table)


def _families(*, offline: bool) -> Table:
    table = _table("name", "reachable now", "what it is")
    for name in names_of("families"):
        family = load_family(name)
        uris = [family.base, *([family.align.source] if family.align.source else [])]
        answers = ["not asked"] if offline else list(dict.fromkeys(map(reach, uris)))
        aligned = family.align.source or "DPO, run here"
        origin = f"[dim]{family.base.split('#')[0]} -> {aligned}[/]"
        table.add_row(name, "; ".join(answers), f"{family.description}\n{origin}")
    return table


def _described(kind: Kind) -> Iterable[tuple[str, str]]:
    if kind is Kind.MODELS:
        return DESCRIPTIONS.items()
    if kind is Kind.REFERENCES:
        from lox_bench.gate.reference import reference_names

        return [(name, _REFERENCE) for name in reference_names()]
    loaders: Mapping[Kind, Callable[[str], Any]] = {
        Kind.ATTACKS: load_attack,
        Kind.TASKS: load_task,
        Kind.JUDGES: load_judge,
    }
    load = loaders[kind]
    return [(name, load(name).description) for name in names_of(kind.value)]


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
