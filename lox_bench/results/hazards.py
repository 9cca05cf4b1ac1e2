"""Rates by hazard: where a model gives way, category by category."""

from collections.abc import Iterator
from dataclasses import dataclass

from lox_bench.results.hits import hits_of
from lox_bench.results.metrics import HARM, OVER_REFUSAL
from lox_bench.results.row import Row
from lox_bench.results.run import NO_ATTACK, Run
from lox_bench.stats.pool import Pooled, pool
from lox_bench.stats.rates import rate

NO_HAZARD = "none"


@dataclass(frozen=True, slots=True)
class HazardRate:
    """The rate of one model on the prompts of one hazard, over its seeds (see ``stats.pool``).

    ``prompts`` of the hazard, ``seeds`` that answered them; ``n`` judged answers, ``hits`` those
    that count; ``value`` with its 95 % interval in [0, 1].
    """

    task: str
    judge: str
    metric: str
    model: str
    attack: str
    hazard: str
    value: float
    ci_low: float
    ci_high: float
    hits: int
    n: int
    prompts: int
    seeds: int

    @property
    def title(self) -> str:
        """``aligned+gsm8k``."""
        return self.model if self.attack == NO_ATTACK else f"{self.model}+{self.attack}"


def hazard_rates(run: Run) -> list[HazardRate]:
    """Every rate of prompts that have a hazard, by hazard; models and tasks in the run's order.

    Raises:
        DataError: a file of the run cannot be read.
    """
    return [rate for task in run.tasks for rate in _of_task(run, task)]


def _of_task(run: Run, task: str) -> Iterator[HazardRate]:
    hazards = {name: prompt.hazard for name, prompt in run.prompts(task).items()}
    known = [hazard for hazard in dict.fromkeys(hazards.values()) if hazard != NO_HAZARD]
    rows = [row for row in run.rows if row.task == task and row.metric in {*HARM, OVER_REFUSAL}]
    names = dict.fromkeys((row.judge, row.metric, row.model, row.attack) for row in rows)
    for judge, metric, model, attack in names:
        name = (judge, metric, model, attack)
        held = [row for row in rows if (row.judge, row.metric, row.model, row.attack) == name]
        hits = [hits_of(run, row) for row in held]
        for hazard in sorted(known):
            labels = [
                [seed[prompt] for prompt in seed if hazards.get(prompt) == hazard] for seed in hits
            ]
            yield _pooled(held[0], hazard, labels)


def _pooled(row: Row, hazard: str, labels: list[list[bool | None]]) -> HazardRate:
    judged = [[label for label in seed if label is not None] for seed in labels]
    pooled: Pooled = pool([rate(sum(seed), len(seed)) for seed in judged])
    return HazardRate(
        task=row.task,
        judge=row.judge,
        metric=row.metric,
        model=row.model,
        attack=row.attack,
        hazard=hazard,
        value=pooled.value,
        ci_low=pooled.low,
        ci_high=pooled.high,
        hits=sum(map(sum, judged)),
        n=sum(map(len, judged)),
        prompts=max(map(len, labels)),
        seeds=len(labels),
    )
