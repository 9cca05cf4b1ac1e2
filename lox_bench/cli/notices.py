"""What a user must know before work starts, whatever the command."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.console import Console

from lox_bench.attacks.stage import AttackRows
from lox_bench.backends.loads import MERGED
from lox_bench.backends.served import Served
from lox_bench.data.overlap import overlaps
from lox_bench.data.stage import STANDIN
from lox_bench.results.record import RunRecord
from lox_bench.study.study import Study
from lox_bench.study.tasks import PlannedTask
from lox_bench.study.variant import Variant

_CUT = ("rows", "pairs")


def announce_data(attack_data: Mapping[str, AttackRows], console: Console, *, quiet: bool) -> None:
    """Say which rows the attacks train on; a stand-in is said even when quiet."""
    for name, rows in attack_data.items():
        if rows.is_standin:
            what = "word problems that ship with lox-bench" if rows.label == STANDIN else rows.form
            console.print(
                f"[bold yellow]attack data of {name}: STAND-IN[/] ({rows.count} rows: {what}): the "
                f"real data is out of reach. --data {name}=FILE.jsonl uses your copy, "
                "--strict-data forbids this.",
                soft_wrap=True,
            )
        elif not quiet:
            console.print(
                f"attack data of {name}: {rows.label} ({rows.count} rows"
                + (f"; read as {rows.form})" if rows.form else ")"),
                soft_wrap=True,
                markup=False,
            )


def announce_templates(variants: Iterable[Variant], console: Console) -> None:
    """Say where a model is trained under another chat template than it answers under."""
    said: dict[tuple[str, str, str], bool] = {}
    for variant in variants:
        training, served = variant.training, variant.template
        if training is not None and training.template != served:
            own = served == variant.family.template
            said[training.attack, training.template.name, served.name] = own
    for (attack, trained, asked), own in said.items():
        whose = f"the family's (template={asked} trains under that)" if own else "a method's"
        console.print(
            f"attack {attack} trains under the template {trained}; answers are asked for under "
            f"{asked}, {whose}",
            soft_wrap=True,
            markup=False,
        )


def announce_back_ends(study: Study, console: Console, *, quiet: bool) -> None:
    """Say which back end was chosen for the user, and what served models are asked with."""
    if study.answering.why and not quiet:
        console.print(study.answering.why, soft_wrap=True, markup=False, highlight=False)
    for variant in study.variants:
        if isinstance(variant.start, Served) and not quiet:
            console.print(
                f"model {variant.label}: {variant.start.title}; it is known by address and name "
                "alone, and put into its server's own chat template",
                soft_wrap=True,
                markup=False,
                highlight=False,
            )


def announce_overlaps(tasks: Iterable[PlannedTask], console: Console) -> None:
    """Say which prompts two sets share: rows are never pooled over sets, and readers should not."""
    texts = {str(task.spec.name): [p.text for p in task.prompts.prompts] for task in tasks}
    for one, other, count in overlaps(texts):
        console.print(
            f"{count} requests of {one} ({len(texts[one])}) are in {other} ({len(texts[other])}) "
            "too: do not add their counts up",
            soft_wrap=True,
            markup=False,
        )


def announce_cuts(record: RunRecord, console: Console) -> None:
    """Say what training data did not fit, and which day it is for a template that asks.

    And which adapters were merged after all. Each stage is named once, however many models rest on
    it, and nothing is said twice of one model; said even when quiet.
    """
    seen: set[str] = set()
    said: set[str] = set()
    for variant in record.variants:
        for stage in variant.stages:
            if stage.key not in seen:
                seen.add(stage.key)
                title = (
                    variant.model
                    if variant.attack == "none"
                    else (f"{variant.model}+{variant.attack}")
                )
                for cut in (*_cuts(stage.facts), *_merged(stage.facts)):
                    line = f"{title}: {cut}"
                    if line not in said:
                        console.print(line, soft_wrap=True, markup=False)
                    said.add(line)
    days = {
        str(stage.facts["pinned_date"])
        for variant in record.variants
        for stage in variant.stages
        if stage.facts.get("pinned_date")
    }
    for day in sorted(days):
        console.print(
            f"the chat template asks for the date: it is told {day}, today and on every other day",
            soft_wrap=True,
        )


def _merged(facts: Mapping[str, Any]) -> Iterator[str]:
    """Where adapters were to be served over one loaded model, and could not be."""
    said = str(facts.get("adapters", ""))
    if said.startswith(f"{MERGED}: "):
        yield f"its adapter was merged, not served over the loaded base ({said.partition(': ')[2]})"


def _cuts(facts: Mapping[str, Any]) -> Iterator[str]:
    for what in _CUT:
        cut, out = facts.get(f"{what}_cut", 0), facts.get(f"{what}_left_out", 0)
        if cut or out:
            total = facts.get(what, 0)
            yield (
                f"{cut} of {total} {what} were longer than max_length and cut; {out} had nothing "
                "left to learn from and were not trained on"
            )
