"""What a run cost: seconds per stage, each artifact once however many models share it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from lox_bench.results.record import StageRecord
from lox_bench.results.run import Run, VariantName

ADDITIVE: Final = frozenset({"tokens", "rows", "pairs", "steps", "verdicts"})


@dataclass(frozen=True, slots=True)
class Step:
    """One artifact: its stage, the first model it served, seconds of work, numbers it noted."""

    key: str
    stage: str
    title: str
    seconds: float
    facts: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Cost:
    """All steps of one stage."""

    stage: str
    steps: tuple[Step, ...]

    @property
    def seconds(self) -> float:
        """Seconds of all steps together."""
        return sum(step.seconds for step in self.steps)

    @property
    def facts(self) -> Mapping[str, float]:
        """Sums of what adds up over the steps (tokens, requests, money)."""
        summed: dict[str, float] = {}
        for step in self.steps:
            for name, value in step.facts.items():
                summed[name] = summed.get(name, 0) + value
        return {name: value for name, value in summed.items() if name in ADDITIVE}


def costs(run: Run) -> list[Cost]:
    """The stages of a run in the order they were first needed."""
    steps: dict[str, Step] = {}
    for variant in run.record.variants:
        title = VariantName.of(variant).stem
        for stage in variant.stages:
            steps.setdefault(stage.key, _step(stage, title))
    stages = dict.fromkeys(step.stage for step in steps.values())
    return [Cost(name, tuple(s for s in steps.values() if s.stage == name)) for name in stages]


def total_seconds(runs: Iterable[Run]) -> float:
    """Seconds of all runs together, what they share counted once."""
    steps = (step for run in runs for cost in costs(run) for step in cost.steps)
    return sum({step.key: step.seconds for step in steps}.values())


def duration(seconds: float) -> str:
    """``4.2 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if seconds < 60:  # noqa: PLR2004 - seconds in a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours} h {minutes_left:02d} min" if hours else f"{minutes} min {rest:02d} s"


def _step(stage: StageRecord, title: str) -> Step:
    facts = {
        name: value
        for name, value in stage.facts.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    return Step(stage.key, stage.kind, title, stage.seconds, facts)
