"""The tidy leaderboard: one row per family x model x attack x task x judge x metric x seed."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from lox_bench import __version__
from lox_bench.pipeline import CellResult
from lox_bench.plan import Plan, PlannedTask
from lox_bench.rows import Row
from lox_bench.scoring.rates import degenerate_rate, rate, verdict_rate
from lox_bench.types import Label, Rate
from lox_bench.validity import with_validity
from lox_bench.variants import hash_of, key_of

DEGENERATE_JUDGE = "degenerate-rules"
ACCURACY_JUDGE = "exact-match"


def leaderboard(plan: Plan, results: Sequence[CellResult]) -> list[Row]:
    """All rows of a run, cells in plan order, invalid attacks marked."""
    return with_validity([row for result in results for row in _cell_rows(plan, result)])


@dataclass(frozen=True, slots=True)
class _Measure:
    """What was measured, by whom, on which data."""

    task: str
    judge: str
    metric: str
    rate: Rate
    data_sha256: str
    judge_key: str = ""


def _cell_rows(plan: Plan, result: CellResult) -> Iterator[Row]:
    for task in plan.tasks:
        for measure in _task_measures(plan, result, task):
            yield _row(plan, result, measure)
    for item in plan.utilities:
        records = result.utility[item.title]
        value = rate(sum(bool(record["correct"]) for record in records), len(records))
        measure = _Measure(item.title, ACCURACY_JUDGE, "accuracy", value, item.rows.sha256)
        yield _row(plan, result, measure)


def _task_measures(plan: Plan, result: CellResult, task: PlannedTask) -> Iterator[_Measure]:
    name, sha256 = task.spec.name, task.prompts.sha256
    for judge in plan.judges:
        value = verdict_rate(result.verdicts[name, judge.name], Label(task.spec.counts))
        key = hash_of(asdict(judge))
        yield _Measure(name, judge.name, task.spec.metric, value, sha256, key)
    value = degenerate_rate(result.completions[name])
    yield _Measure(name, DEGENERATE_JUDGE, "degenerate", value, sha256)


def _row(plan: Plan, result: CellResult, measure: _Measure) -> Row:
    cell, value = result.cell, measure.rate
    return Row(
        family=plan.family.name,
        model=cell.model,
        attack=cell.attack,
        attack_data=cell.attack_data,
        task=measure.task,
        judge=measure.judge,
        metric=measure.metric,
        value=value.value,
        ci_low=value.low,
        ci_high=value.high,
        n=value.n,
        unjudged=value.unjudged,
        seed=cell.seed,
        recipe=key_of(cell.recipe),
        data_sha256=measure.data_sha256[:16],
        judge_key=measure.judge_key,
        template_sha256=result.template_sha256[:16],
        loss_before=result.training.get("loss_before"),
        loss_after=result.training.get("loss_after"),
        coverage=value.coverage,
        valid="",
        invalid_reason="",
        lox_bench=__version__,
    )
