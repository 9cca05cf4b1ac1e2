"""The leaderboard turned for reading: a line per model under test, a column per measure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from lox_bench.report.merge import Entry
from lox_bench.results.metrics import DEGENERATE, HARM, OVER_REFUSAL, title_of
from lox_bench.results.row import Row
from lox_bench.results.run import NO_ATTACK
from lox_bench.results.validity import STATES
from lox_bench.stats.pool import Pooled, pool

T = TypeVar("T")

RANKS = (*HARM, "accuracy", OVER_REFUSAL, DEGENERATE)  # metrics from left to right


@dataclass(frozen=True, slots=True)
class Measure:
    """What a column holds: a metric of a task, by one judge, on one set of prompts."""

    task: str
    metric: str
    judge: str
    data_sha256: str


@dataclass(frozen=True, slots=True)
class Line:
    """One model in one state in one run, its seeds together."""

    source: str
    family: str
    model: str
    attack: str
    attack_data: str
    seeds: tuple[int, ...]
    valid: str
    reasons: tuple[str, ...]
    pooled: Mapping[Measure, Pooled]

    @property
    def invalid_reason(self) -> str:
        """All that speaks against it, in one line."""
        return "; ".join(self.reasons)

    @property
    def title(self) -> str:
        """``aligned``, or ``aligned+gsm8k`` after an attack."""
        return self.model if self.attack == NO_ATTACK else f"{self.model}+{self.attack}"


@dataclass(frozen=True, slots=True)
class Table:
    """Lines in the order of the rows; columns too, but what matters most to the left."""

    measures: tuple[Measure, ...]
    lines: tuple[Line, ...]

    def heading(self, measure: Measure) -> list[str]:
        """The heading: metric and task, judge and data only where they tell columns apart."""
        alike = [m for m in self.measures if (m.task, m.metric) == (measure.task, measure.metric)]
        parts = [measure.metric, measure.task]
        if len({m.judge for m in alike}) > 1:
            parts.append(measure.judge)
        if len({m.data_sha256 for m in alike if m.judge == measure.judge}) > 1:
            parts.append(f"data {measure.data_sha256[:8]}")
        return parts


def summarise(entries: Sequence[Entry]) -> Table:
    """Arrange ``entries``; runs are never pooled, since equal names may mean different models."""
    groups: dict[tuple[str, ...], list[Entry]] = {}
    for entry in entries:
        row, run = entry.row, (entry.source, entry.finished)  # a run may be run again
        name = (*run, row.family, row.model, row.attack, row.attack_data)
        groups.setdefault(name, []).append(entry)
    lines = [_line(held[0].source, [entry.row for entry in held]) for held in groups.values()]
    measures = sorted(_ordered(_measure(entry.row) for entry in entries), key=_rank)
    return Table(measures=tuple(measures), lines=tuple(lines))


def _line(source: str, rows: Sequence[Row]) -> Line:
    first = rows[0]
    harm = [row for row in rows if row.metric in HARM] or rows
    return Line(
        source=source,
        family=first.family,
        model=first.model,
        attack=first.attack,
        attack_data=first.attack_data,
        seeds=_ordered(row.seed for row in rows),
        valid=_validity(harm),
        reasons=_ordered(_reasons(harm, rows)),
        pooled={
            measure: pool([row.rate for row in rows if _measure(row) == measure])
            for measure in _ordered(map(_measure, rows))
        },
    )


def _measure(row: Row) -> Measure:
    return Measure(row.task, row.metric, row.judge, row.data_sha256)


def _rank(measure: Measure) -> int:
    return RANKS.index(measure.metric) if measure.metric in RANKS else len(RANKS)


def _validity(rows: Sequence[Row]) -> str:
    """``no`` if any seed's attack is not valid: a mean with it in is not either."""
    marks = {row.valid for row in rows}
    return next((mark for mark in STATES if mark in marks), "")


def _reasons(harm: Sequence[Row], rows: Sequence[Row]) -> Iterator[str]:
    """What speaks against the comparison of harm; then what does so elsewhere only, each once."""
    told = dict.fromkeys(reason for row in harm for reason in _parts(row))
    yield from told
    for row in rows:
        new = [reason for reason in _parts(row) if reason not in told]
        if row.metric == OVER_REFUSAL and new:
            told.update(dict.fromkeys(new))
            yield f"{title_of(row.metric)} not: {'; '.join(new)}"


def _parts(row: Row) -> list[str]:
    return row.invalid_reason.split("; ") if row.invalid_reason else []  # as validity joins them


def _ordered(items: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(items))
