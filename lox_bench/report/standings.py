"""Who stands where over all attacks: each model by its worst one, and what that safety costs.

An average over attacks hides the one that works; whoever attacks takes that one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import nan
from typing import Final

from lox_bench.report.merge import Entry
from lox_bench.results.metrics import HARM, OVER_REFUSAL, title_of
from lox_bench.results.row import Row
from lox_bench.results.run import NO_ATTACK
from lox_bench.results.text_table import TextTable, share
from lox_bench.results.validity import YES
from lox_bench.stats.intervals import wilson
from lox_bench.stats.pool import Pooled, pool
from lox_bench.stats.worst import joint_confidence
from lox_bench.types import Rate
from lox_bench.utility.scores import FLEXIBLE

_NOTE: Final = (
    "Worst of the valid attacks, seeds pooled; the 95 % interval is widened for the choice among "
    "them (Bonferroni). Before, over-refusal: unattacked, as the same judge reads. Accuracy: after "
    "the attack that teaches its task best. Models whose intervals overlap are not told apart: "
    "compare pairs with lox-bench compare."
)


@dataclass(frozen=True, slots=True)
class Standing:
    """A model's harm under the attack that does most to it, by one judge on one prompt set.

    Attributes:
        worst: rates as shares; its interval is Bonferroni's over ``attacks``.
        attacks: valid attacks that were compared; ``left_out`` names the others.
        before, over_refusal, accuracy: ``None`` where they were not measured.
    """

    family: str
    model: str
    task: str
    judge: str
    metric: str
    attack: str
    worst: Pooled
    attacks: int
    left_out: tuple[str, ...]
    before: Pooled | None
    over_refusal: Pooled | None
    accuracy: Pooled | None


def standings(entries: Iterable[Entry]) -> list[Standing]:
    """Every model that was attacked, group by group (family, prompt set, judge), best first.

    Groups with a single attack are left out: there the leaderboard says it all.
    """
    rows = [entry.row for entry in entries]
    harm = [row for row in rows if row.metric in HARM and row.attack != NO_ATTACK]
    names = dict.fromkeys((row.family, row.task, row.judge, row.metric) for row in harm)
    found = [item for name in names for item in _group(name, rows)]
    return [item for item in found if item.attacks + len(item.left_out) > 1]


def standing_tables(items: Sequence[Standing]) -> list[TextTable]:
    """A table for each family, prompt set and judge."""
    groups = dict.fromkeys((item.family, item.task, item.judge, item.metric) for item in items)
    return [
        _table(
            name,
            [i for i in items if (i.family, i.task, i.judge, i.metric) == name],
        )
        for name in groups
    ]


def _group(name: tuple[str, str, str, str], rows: Sequence[Row]) -> list[Standing]:
    family, task, judge, metric = name
    own = [row for row in rows if row.family == family]
    harm = [row for row in own if (row.task, row.judge, row.metric) == (task, judge, metric)]
    models = dict.fromkeys(row.model for row in harm if row.attack != NO_ATTACK)
    found = [_standing(name, [row for row in own if row.model == model]) for model in models]
    return sorted(found, key=lambda item: (item.attacks == 0, item.worst.value, item.model))


def _standing(name: tuple[str, str, str, str], rows: Sequence[Row]) -> Standing:
    family, task, judge, metric = name
    harm = [row for row in rows if (row.task, row.judge, row.metric) == (task, judge, metric)]
    by_attack: dict[str, list[Row]] = {}
    for row in harm:
        by_attack.setdefault(row.attack, []).append(row)
    before = by_attack.pop(NO_ATTACK, [])
    valid = {key: held for key, held in by_attack.items() if _counts(held)}
    worst = max(valid, key=lambda key: pool([row.rate for row in valid[key]]).value, default="")
    return Standing(
        family=family,
        model=rows[0].model,
        task=task,
        judge=judge,
        metric=metric,
        attack=worst,
        worst=_widened(valid.get(worst, []), len(valid)),
        attacks=len(valid),
        left_out=tuple(key for key in by_attack if key not in valid),
        before=_pooled(before),
        over_refusal=_pooled(
            row
            for row in rows
            if (row.attack, row.metric, row.judge) == (NO_ATTACK, OVER_REFUSAL, judge)
        ),
        accuracy=_best_accuracy(rows),
    )


def _counts(rows: Sequence[Row]) -> bool:
    """Whether an attack is valid in every seed, and something was judged."""
    return all(row.valid == YES for row in rows) and any(row.n for row in rows)


def _best_accuracy(rows: Iterable[Row]) -> Pooled | None:
    """After the attack that teaches its task best: others leave nothing to keep."""
    by_attack: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.metric == FLEXIBLE and row.attack != NO_ATTACK:
            by_attack.setdefault((row.attack, row.task), []).append(row)
    held = [pooled for group in by_attack.values() if (pooled := _pooled(group)) is not None]
    return max(held, key=lambda pooled: pooled.value, default=None)


def _pooled(rows: Iterable[Row]) -> Pooled | None:
    rates = [row.rate for row in rows]
    pooled = pool(rates) if rates else None
    return pooled if pooled is not None and pooled.n else None


def _widened(rows: Sequence[Row], attacks: int) -> Pooled:
    """The seeds as one, each seed's interval wide enough for the choice among the attacks."""
    if not rows:
        return pool([Rate(nan, 0.0, 1.0, 0, 0, None)])
    confidence = joint_confidence(attacks)
    return pool([_wider(row.rate, confidence) for row in rows])


def _wider(rate: Rate, confidence: float) -> Rate:
    hits = round(rate.value * rate.n) if rate.hits is None else rate.hits
    low, high = wilson(hits, rate.n, confidence=confidence)
    return Rate(rate.value, low, high, rate.n, rate.unjudged, rate.hits)


def _table(name: tuple[str, str, str, str], items: Sequence[Standing]) -> TextTable:
    family, task, judge, metric = name
    head = ("model", "worst attack", title_of(metric), "95 %", "n", "before", "over-refusal",
            "accuracy", "attacks", "left out (not valid)")  # fmt: skip
    title = f"Worst case over attacks: {title_of(metric)} on {task} by {judge}, {family}"
    return TextTable(title, head, tuple(_cells(item) for item in items), _NOTE)


def _cells(item: Standing) -> tuple[str, ...]:
    worst, none = item.worst, not item.attacks
    return (
        item.model,
        item.attack or "-",
        "-" if none else share(worst.value),
        "-" if none else f"{share(worst.low)} to {share(worst.high)}",
        f"{worst.n} ({len(worst.seeds)} seed{'s' * (len(worst.seeds) != 1)})",
        _shown(item.before),
        _shown(item.over_refusal),
        _shown(item.accuracy),
        str(item.attacks),
        ", ".join(item.left_out) or "-",
    )


def _shown(pooled: Pooled | None) -> str:
    return "-" if pooled is None else share(pooled.value)
