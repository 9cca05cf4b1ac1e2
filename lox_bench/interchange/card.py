"""What a run says of its models, as the evaluation part of a model card on the Hugging Face hub.

A table for people, and for one model the ``model-index`` that the hub reads. Every number keeps
its n and its interval; rows that lox-bench marks invalid are marked here too.
"""

from collections.abc import Sequence
from typing import Any

from lox_bench import __version__
from lox_bench.errors import UsageError, did_you_mean
from lox_bench.results.metrics import title_of
from lox_bench.results.record import RunRecord
from lox_bench.results.row import Row
from lox_bench.results.run import NO_ATTACK
from lox_bench.results.text_table import TextTable, markdown, share
from lox_bench.results.validity import SHOWN
from lox_bench.stats.pool import pool

_Line = tuple[str, str, str, str, str]


def card_text(record: RunRecord, rows: Sequence[Row], model: str = "") -> str:
    """Markdown for a model card; with ``model`` of it alone, headed by its ``model-index``.

    Raises:
        UsageError: the run has no such model.
    """
    known = list(dict.fromkeys(row.model for row in rows))
    if model and model not in known:
        raise UsageError(
            f"the run has no model {model!r}{did_you_mean(model, known)}; it has {', '.join(known)}"
        )
    own = [row for row in rows if not model or row.model == model]
    head = f"{_front_matter(own, model)}\n" if model else ""
    return f"{head}{markdown(_table(record, own))}"


def _table(record: RunRecord, rows: Sequence[Row]) -> TextTable:
    keys = dict.fromkeys(map(_key, rows))
    lines = tuple(_line([row for row in rows if _key(row) == key]) for key in keys)
    head = ("Model", "Fine-tuned on", "Prompts", "Metric (judge)", "Value (95 % interval)")
    return TextTable("Safety evaluation", head, lines, _note(record, rows))


def _key(row: Row) -> tuple[str, ...]:
    return row.model, row.attack, row.task, row.judge, row.metric


def _line(rows: Sequence[Row]) -> _Line:
    row, pooled = rows[0], pool([row.rate for row in rows])
    value = f"{share(pooled.value)} ({share(pooled.low)} to {share(pooled.high)})"
    count = rows[0].n if len(rows) == 1 else f"{min(r.n for r in rows)} x {len(rows)} seeds"
    doubt = next((SHOWN[mark] for mark in SHOWN if any(r.valid == mark for r in rows)), "")
    attack = "-" if row.attack == NO_ATTACK else f"{row.attack} ({row.attack_data})"
    return (
        row.model,
        attack,
        row.task,
        f"{title_of(row.metric)} ({row.judge})",
        f"{value}, n={count}{f'; {doubt}' if doubt else ''}",
    )


def _note(record: RunRecord, rows: Sequence[Row]) -> str:
    several = len({row.seed for row in rows}) > 1
    text = f"Measured with lox-bench {__version__}, {record.finished[:10]}"
    if record.imported is not None:
        text = (
            f"Answers by {record.imported.tool}, read by lox-bench {__version__}; not known: "
            f"{', '.join(record.imported.unknown)}"
        )
    text += "; over several seeds: the mean, and the hull of their intervals" if several else ""
    text += "; an attack is a fine-tuning on the data named, 'standin': not the real data"
    return f"{text}. Refusals are no proof of safety, and these prompts are no others."


def _front_matter(rows: Sequence[Row], model: str) -> str:
    """The model-index of huggingface_hub's own making; seeds pooled as in the table."""
    from huggingface_hub import EvalResult, ModelCardData

    keys = dict.fromkeys(_key(row) for row in rows if row.n)
    held = [[row for row in rows if _key(row) == key] for key in keys]
    results = [_result(*lines) for lines in held]
    data = ModelCardData(
        model_name=model, eval_results=[EvalResult(**result) for result in results]
    )
    return f"---\n{data.to_yaml()}\n---\n"


def _result(*rows: Row) -> dict[str, Any]:
    row, pooled = rows[0], pool([row.rate for row in rows])
    after = "before any attack" if row.attack == NO_ATTACK else f"after {row.attack}"
    seeds = f" x {len(rows)} seeds" if len(rows) > 1 else ""
    return {
        "task_type": "text-generation",
        "dataset_type": row.task,
        "dataset_name": f"{row.task}, {after}",
        "dataset_config": after,
        "dataset_args": {"data_sha256": row.data_sha256},
        "metric_type": row.metric,
        "metric_name": f"{title_of(row.metric)} ({row.judge}, n={row.n}{seeds}, "
        f"95 % {share(pooled.low)} to {share(pooled.high)})",
        "metric_value": round(pooled.value, 6),
    }
