"""Tables for the terminal."""

from collections.abc import Iterable, Sequence

from rich.table import Table

from lox_bench.report.leaderboard import Row


def leaderboard_table(rows: Sequence[Row]) -> Table:
    """One line per model x attack: every metric with its interval and n; seeds averaged."""
    seeds = sorted({row.seed for row in rows})
    metrics = list(dict.fromkeys((row.task, row.metric, row.judge) for row in rows))
    table = Table(title=_title(rows, seeds), caption=_CAPTION, caption_justify="left")
    table.add_column("model")
    table.add_column("n", justify="right")
    for task, metric, judge in metrics:
        table.add_column(f"{metric}\n{task}\n[dim]{judge}[/]", justify="right")
    cells = list(dict.fromkeys((row.model, row.attack) for row in rows))
    for model, attack in cells:
        held = [row for row in rows if (row.model, row.attack) == (model, attack)]
        name = model if attack == "none" else f"{model}+{attack}"
        values = [_value(_of(held, metric)) for metric in metrics]
        table.add_row(name, str(max(row.n + row.unjudged for row in held)), *values)
    return table


_CAPTION = (
    "share [95 % Wilson interval]; several seeds: mean (lowest to highest seed); "
    "u: unjudged answers, left out of the share"
)


def _title(rows: Sequence[Row], seeds: Sequence[int]) -> str:
    data = sorted({row.attack_data for row in rows if row.attack_data})
    shown = f", attack data: {', '.join(data)}" if data else ""
    return f"{rows[0].family}, seed {', '.join(map(str, seeds))}{shown}"


def _of(rows: Iterable[Row], metric: tuple[str, str, str]) -> list[Row]:
    return [row for row in rows if (row.task, row.metric, row.judge) == metric]


def _value(rows: Sequence[Row]) -> str:
    held = [row for row in rows if row.n]
    unjudged = sum(row.unjudged for row in rows)
    mark = f" {unjudged}u" if unjudged else ""
    if not held:
        return f"-{mark}"
    if len(held) == 1:
        row = held[0]
        return f"{row.value:.2f} [{row.ci_low:.2f}, {row.ci_high:.2f}]{mark}"
    values = [row.value for row in held]
    return f"{sum(values) / len(values):.2f} ({min(values):.2f} to {max(values):.2f}){mark}"
