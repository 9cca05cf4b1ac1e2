"""Rows for the terminal: a table, or JSON."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict

from rich.table import Table

from lox_bench.rows import Row

Metric = tuple[str, str, str]  # task, metric, judge


def leaderboard_table(rows: Sequence[Row]) -> Table:
    """One line per model x attack: every metric with its interval and n; seeds averaged."""
    metrics = list(dict.fromkeys((row.task, row.metric, row.judge) for row in rows))
    table = Table(title=_title(rows), caption=_caption(rows), caption_justify="left")
    table.add_column("model", overflow="fold")
    for metric in metrics:
        table.add_column(_head(rows, metric), justify="right")
    for model, attack in dict.fromkeys((row.model, row.attack) for row in rows):
        held = [row for row in rows if (row.model, row.attack) == (model, attack)]
        name = model if attack == "none" else f"{model}+{attack}"
        table.add_row(name, *[_value(_of(held, metric)) for metric in metrics])
    return table


def rows_as_json(rows: Sequence[Row]) -> str:
    """Rows as a JSON list; there is no NaN in JSON: a rate without a judged answer is null."""
    plain = [{key: _finite(value) for key, value in asdict(row).items()} for row in rows]
    return json.dumps(plain, indent=2, allow_nan=False) + "\n"


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _head(rows: Sequence[Row], metric: Metric) -> str:
    """Metric, task and number of prompts; the judge too, where several judged one metric."""
    task, name, judge = metric
    asked = max(row.n + row.unjudged for row in _of(rows, metric))
    judges = {row.judge for row in rows if (row.task, row.metric) == (task, name)}
    named = f"\n[dim]{judge}[/]" if len(judges) > 1 else ""
    return f"{name}\n{task}\nn={asked}{named}"


def _caption(rows: Sequence[Row]) -> str:
    judges = dict.fromkeys(row.judge for row in rows if row.metric == "asr")
    several = len({row.seed for row in rows}) > 1
    shown = "mean over seeds, lowest-highest seed" if several else "share, 95 % Wilson interval"
    return f"{shown}; u: unjudged answers, not in n; judge: {', '.join(judges)}"


def _title(rows: Sequence[Row]) -> str:
    data = dict.fromkeys(row.attack_data for row in rows if row.attack_data)
    seeds = dict.fromkeys(str(row.seed) for row in rows)
    shown = f", attack data: {', '.join(data)}" if data else ""
    return f"{rows[0].family}, seed {', '.join(seeds)}{shown}"


def _of(rows: Sequence[Row], metric: Metric) -> list[Row]:
    return [row for row in rows if (row.task, row.metric, row.judge) == metric]


def _value(rows: Sequence[Row]) -> str:
    held = [row for row in rows if row.n]
    unjudged = sum(row.unjudged for row in rows)
    mark = f"{unjudged}u " if unjudged else ""
    if not held:
        return f"{mark}-"
    values = [row.value for row in held]
    low, high = min(values), max(values)
    if len(held) == 1:
        low, high = held[0].ci_low, held[0].ci_high
    return f"{mark}{sum(values) / len(values):.2f}\n[dim]{low:.2f}-{high:.2f}[/]"
