"""What a run is about to make, kept in its folder until it has finished, for whoever watches it.

It is no result: nothing is computed from it, and a finished run has none.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lox_bench.codec import from_plain, read_json, write_record
from lox_bench.errors import DataError
from lox_bench.types import Label

PLAN: Final = ".plan.json"


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """A stage that a run rests on.

    Attributes:
        kind, key: its name in the store.
        title: what a display shows while it is made.
        scale, units: of its effort, for forecasts.
        inputs: positions in the plan of the stages that it reads.
        wanted: whether it is to be there in the end. ``told``: whether its facts are.
    """

    kind: str
    key: str
    title: str
    scale: str
    units: float
    inputs: tuple[int, ...]
    wanted: bool
    told: bool


@dataclass(frozen=True, slots=True)
class PlannedRate:
    """A rate that a run will have: the share that the verdicts of ``stage`` label ``counts``.

    ``stage`` is a position in the plan.
    """

    model: str
    attack: str
    seed: int
    task: str
    judge: str
    metric: str
    counts: Label
    stage: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The stages of a run in the order they are made in, and the rates that come out.

    ``key`` is the study's; ``cache`` says where its artifacts go, for messages only; ``searched``:
    a search adds stages that are not known yet.
    """

    key: str
    cache: str
    searched: bool
    stages: tuple[PlannedStage, ...]
    rates: tuple[PlannedRate, ...]

    def missing(self, whole: Sequence[bool], known: Sequence[bool]) -> Iterator[PlannedStage]:
        """What is still to be made, in order, given by stage what is in the store.

        Args:
            whole: whether all of a stage is there.
            known: whether its facts are, though its weights may have been dropped.
        """
        todo: set[int] = set()
        waiting = [
            at
            for at, stage in enumerate(self.stages)
            if (stage.wanted and not whole[at]) or (stage.told and not known[at])
        ]
        while waiting:
            at = waiting.pop()
            if at not in todo:
                todo.add(at)
                waiting += [needed for needed in self.stages[at].inputs if not whole[needed]]
        return (self.stages[at] for at in sorted(todo))


def load_plan(folder: Path) -> Plan:
    """The plan of the run in a folder.

    Raises:
        DataError: there is none, or it is not of that form.
    """
    file = folder / PLAN
    if not file.is_file():
        raise DataError(
            f"{folder} holds no {PLAN}: the run in it was begun by an older lox-bench; run its "
            "command again"
        )
    plan = from_plain(Plan, read_json(file), where=str(file))
    count = len(plan.stages)
    places = [at for stage in plan.stages for at in stage.inputs]
    places += [rate.stage for rate in plan.rates]
    if any(not 0 <= at < count for at in places):
        raise DataError(f"{file} names a stage that it does not hold; run the run's command again")
    return plan


def save_plan(folder: Path, plan: Plan) -> None:
    """Write the plan of a run, atomically."""
    write_record(folder / PLAN, plan)
