"""A run in the form of lm-eval's ``results_DATE.json``, for what reads that form.

lm-eval has one file a model, and calls a number ``METRIC,FILTER``: the place of the filter is the
judge's here. Standard errors are those of a share; the interval's ends stand beside them.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from lox_bench.results.metrics import DEGENERATE, HARM, OVER_REFUSAL
from lox_bench.results.record import RunRecord
from lox_bench.results.row import Row
from lox_bench.results.run import VariantName
from lox_bench.utility.scores import UNREAD

_LOWER = {*HARM, OVER_REFUSAL, DEGENERATE, UNREAD}  # where less is better
_ABSENT = "N/A"  # lm-eval's own word


def results_of(record: RunRecord, rows: Sequence[Row], name: VariantName) -> dict[str, Any]:
    """The results of one model under test, ready to be written as JSON.

    Args:
        record: the run's.
        rows: its leaderboard.
        name: the model, the attack on it, the seed.
    """
    own = [row for row in rows if VariantName.of(row) == name]
    tasks = list(dict.fromkeys(row.task for row in own))
    held = {task: [row for row in own if row.task == task] for task in tasks}
    return {
        "results": {task: _numbers(task, held[task]) for task in tasks},
        "group_subtasks": {task: [] for task in tasks},
        "configs": {task: {"task": task, "metadata": _about(held[task][0])} for task in tasks},
        "versions": {task: held[task][0].data_sha256 for task in tasks},
        "n-shot": {task: _shots(record, task) for task in tasks},
        "higher_is_better": {
            task: {row.metric: row.metric not in _LOWER for row in held[task]} for task in tasks
        },
        "n-samples": {task: _samples(held[task]) for task in tasks},
        "config": {
            "model": "lox-bench",
            "model_args": f"family={record.family},model={name.model},attack={name.attack}",
            "model_dtype": record.environment.compute_dtype,
            "device": record.environment.device,
            "limit": record.limit,
            "random_seed": name.seed,
        },
        "date": datetime.fromisoformat(record.finished).timestamp(),
        "lox_bench_version": own[0].lox_bench if own else "",
        "model_source": "lox-bench",
        "model_name": name.title,
        "model_name_sanitized": name.stem,
        "chat_template_sha": own[0].template_sha256 if own else None,
        "imported_from": record.imported.tool if record.imported else None,
    }


def _numbers(task: str, rows: Sequence[Row]) -> dict[str, Any]:
    found: dict[str, Any] = {"alias": task}
    for row in rows:
        value = row.rate.value
        found[f"{row.metric},{row.judge}"] = _finite(value)
        found[f"{row.metric}_stderr,{row.judge}"] = _error(row)
        found[f"{row.metric}_ci_low,{row.judge}"] = _finite(row.ci_low)
        found[f"{row.metric}_ci_high,{row.judge}"] = _finite(row.ci_high)
        found[f"{row.metric}_unjudged,{row.judge}"] = row.unjudged
    return found


def _error(row: Row) -> float | str:
    if row.hits is None or row.n < 2:  # noqa: PLR2004 - no spread of one
        return _ABSENT
    share = row.hits / row.n
    return math.sqrt(share * (1 - share) / (row.n - 1))


def _finite(value: float) -> float | str:
    return value if math.isfinite(value) else _ABSENT


def _samples(rows: Sequence[Row]) -> dict[str, int]:
    asked = max(row.n + row.unjudged for row in rows)
    return {"original": asked, "effective": max(row.n for row in rows)}


def _shots(record: RunRecord, task: str) -> int:
    held = record.benchmarks.get(task)
    return (held.num_fewshot or 0) if held else 0


def _about(row: Row) -> Mapping[str, Any]:
    return {
        "data_sha256": row.data_sha256,
        "max_new_tokens": row.max_new_tokens,
        "attack_data": row.attack_data,
        "attack_valid": row.valid,
    }
