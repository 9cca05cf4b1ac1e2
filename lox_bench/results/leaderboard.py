"""The tidy leaderboard: one row per family x model x attack x task x judge x metric x seed.

Rows come from a run's folder alone (manifest, completions, verdicts), so that a run and a later
judge of its stored answers make them in one way.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lox_bench import __version__
from lox_bench.codec import hash_of
from lox_bench.judges.parsers import PARSERS
from lox_bench.results.row import Row
from lox_bench.results.run import Run, VariantName
from lox_bench.results.validity import with_validity
from lox_bench.stats.rates import (
    degenerate_rate,
    mean_score,
    partial_rate,
    rate,
    verdict_rate,
)
from lox_bench.types import Label, Rate, Verdict

DEGENERATE_JUDGE = "degenerate-rules"
ACCURACY_JUDGE = "exact-match"


def leaderboard(run: Run) -> list[Row]:
    """All rows of a run, cells in plan order, invalid attacks marked.

    Raises:
        DataError: a file that the manifest promises cannot be read.
    """
    return with_validity([row for cell in run.manifest["cells"] for row in _cell_rows(run, cell)])


@dataclass(frozen=True, slots=True)
class _Measure:
    """What was measured, by whom, on which data."""

    task: str
    judge: str
    metric: str
    rate: Rate
    data_sha256: str
    judge_key: str = ""


def _cell_rows(run: Run, cell: Mapping[str, Any]) -> Iterator[Row]:
    name = VariantName(cell["model"], cell["attack"], cell["seed"])
    for task in run.tasks:
        for measure in _task_measures(run, name, task):
            yield _row(run, cell, measure)
    for title, item in run.manifest["utilities"].items():
        records = run.utility(name, title)
        value = rate(sum(bool(record["correct"]) for record in records), len(records))
        yield _row(run, cell, _Measure(title, ACCURACY_JUDGE, "accuracy", value, item["sha256"]))


def _task_measures(run: Run, cell: VariantName, task: str) -> Iterator[_Measure]:
    facts = run.manifest["prompts"][task]
    for judge in run.judges_of(task):
        plain = run.manifest["judges"][judge]
        verdicts, key = run.verdicts(cell, task, judge), hash_of(plain)
        value = verdict_rate(verdicts, Label(facts["counts"]))
        yield _Measure(task, judge, facts["metric"], value, facts["sha256"], key)
        for metric, value in _score_measures(plain, verdicts):
            yield _Measure(task, judge, metric, value, facts["sha256"], key)
    value = degenerate_rate(run.completions(cell, task))
    yield _Measure(task, DEGENERATE_JUDGE, "degenerate", value, facts["sha256"])


def _score_measures(
    judge: Mapping[str, Any], verdicts: list[Verdict]
) -> Iterator[tuple[str, Rate]]:
    """What a judge's scores say beyond its labels, where its parser gives it a name."""
    parser = PARSERS.get(judge.get("parser", ""))
    if parser is not None and parser.mean:
        yield parser.mean, mean_score(verdicts, parser.low, parser.high)
    if parser is not None and parser.partial:
        yield parser.partial, partial_rate(verdicts, parser.low, parser.high)


def _row(run: Run, cell: Mapping[str, Any], measure: _Measure) -> Row:
    value = measure.rate
    return Row(
        family=run.manifest["family"],
        model=cell["model"],
        attack=cell["attack"],
        attack_data=cell["attack_data"],
        task=measure.task,
        judge=measure.judge,
        metric=measure.metric,
        value=value.value,
        ci_low=value.low,
        ci_high=value.high,
        n=value.n,
        unjudged=value.unjudged,
        seed=cell["seed"],
        recipe=cell["recipe"]["key"],
        data_sha256=measure.data_sha256[:16],
        judge_key=measure.judge_key,
        template_sha256=cell["template_sha256"][:16],
        loss_before=cell["loss_before"],
        loss_after=cell["loss_after"],
        coverage=value.coverage,
        valid="",
        invalid_reason="",
        lox_bench=__version__,
    )
