"""How far a run in the making is: what is missing, how long it may take, the rates so far."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from lox_bench.engine.artifact import read_manifest
from lox_bench.engine.forecast import History
from lox_bench.engine.freed import is_freed
from lox_bench.engine.store import TMP, Store
from lox_bench.judges.verdicts import read_verdicts
from lox_bench.results.plan import Plan, PlannedRate, PlannedStage
from lox_bench.stats.rates import verdict_rate
from lox_bench.types import Rate


@dataclass(frozen=True, slots=True)
class Progress:
    """A look at a run.

    Attributes:
        total: stages it rests on. ``missing``: those still to be made, in order.
        seconds: what the missing ones may take, by the store's earlier ones of their kind.
        unforeseen: missing stages of which the store has no like; not in ``seconds``.
        building: titles of the stages somebody is making now.
        rates: every rate whose verdicts are complete, with its plan. ``rates_missing``: others.
    """

    total: int
    missing: tuple[PlannedStage, ...]
    seconds: float
    unforeseen: int
    building: tuple[str, ...]
    rates: tuple[tuple[PlannedRate, Rate], ...]
    rates_missing: int


def progress_of(plan: Plan, store: Store) -> Progress:
    """Look at what the store holds; nothing in it is changed."""
    known = [read_manifest(store.path_of(stage)) is not None for stage in plan.stages]
    whole = [
        there and not is_freed(store.path_of(stage))
        for there, stage in zip(known, plan.stages, strict=True)
    ]
    missing = tuple(plan.missing(whole, known))
    guesses = list(_seconds(missing, History.of(store)))
    rates = tuple(_rates(plan, whole, store))
    return Progress(
        total=len(plan.stages),
        missing=missing,
        seconds=sum(guess for guess in guesses if guess is not None),
        unforeseen=guesses.count(None),
        building=tuple(item.title for item in missing if _scratch(item, store).is_dir()),
        rates=rates,
        rates_missing=len(plan.rates) - len(rates),
    )


def _seconds(stages: Sequence[PlannedStage], history: History) -> Iterator[float | None]:
    for stage in stages:
        paces = history.paces.get((stage.kind, stage.scale), ())
        yield median(pace for pace, _ in paces) * stage.units if paces else None


def _scratch(stage: PlannedStage, store: Store) -> Path:
    return store.root / TMP / f"{stage.kind}-{stage.key}"


def _rates(plan: Plan, whole: Sequence[bool], store: Store) -> Iterator[tuple[PlannedRate, Rate]]:
    for rate in plan.rates:
        if whole[rate.stage]:
            verdicts = read_verdicts(store.path_of(plan.stages[rate.stage]))
            yield rate, verdict_rate(verdicts, rate.counts)
