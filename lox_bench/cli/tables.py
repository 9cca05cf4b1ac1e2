"""Tables for the terminal."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from lox_bench.compare.matching import mixed_back_ends
from lox_bench.harmless import harmless
from lox_bench.results.metrics import HARM, OVER_REFUSAL, title_of
from lox_bench.results.row import Row
from lox_bench.results.run import NO_ATTACK
from lox_bench.results.text_table import percent
from lox_bench.results.validity import SHOWN
from lox_bench.stats.pool import Pooled, pool
from lox_bench.stats.rates import MIN_COVERAGE
from lox_bench.utility.scores import ACCURACY, FLEXIBLE, UNREAD

Metric = tuple[str, str]  # task, metric
_HARM = "harm"  # of a column: refusal lost or ASR
_WIDEST = 10_000  # columns: nothing is folded
_NARROW = 12  # characters of a name that stay on one line
_SHARES = {*HARM, OVER_REFUSAL}  # what bounds make sense for; a mean score has its own scale
_BESIDE_ACCURACY = (FLEXIBLE, UNREAD)  # they share its cell
_MARK = "[bold yellow]![/]"


@dataclass(frozen=True, slots=True)
class LeaderboardTable:
    """A line per model x attack x judge: every metric with its interval; seeds pooled.

    What a judge finds of harm, refusal lost or ASR as it reads, stands in one column a prompt set.
    What no judge decides (degenerate answers, accuracy) stands on the model's first line only.
    In a terminal that is wide enough a cell is one line; else names and cells are broken; and where
    that is too wide as well, the columns stand in several tables below each other.
    """

    rows: Sequence[Row]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The wide form if it fits, else the narrow one, in as many tables as it takes."""

        def fits(table: Table) -> bool:
            free = options.update(max_width=_WIDEST)
            return Measurement.get(console, free, table).maximum <= options.max_width

        columns = _columns(self.rows)
        wide = _table(self.rows, columns, wide=True)
        if fits(wide):
            yield from (_title(self.rows), wide, _caption(self.rows))
            return
        yield _title(self.rows)
        while columns:
            count = max(
                (n for n in range(2, len(columns) + 1)
                 if fits(_table(self.rows, columns[:n], wide=False))),
                default=1,
            )  # fmt: skip
            yield _table(self.rows, columns[:count], wide=False)
            columns = columns[count:]
        yield _caption(self.rows)


def leaderboard_table(rows: Sequence[Row]) -> LeaderboardTable:
    """The leaderboard of these rows, as wide as the terminal allows."""
    return LeaderboardTable(rows)


def _columns(rows: Sequence[Row]) -> list[Metric]:
    found = dict.fromkeys(map(_column, rows))
    return [column for column in found if column[1] not in _BESIDE_ACCURACY]


def _judges(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row.judge for row in rows if row.judge_key))


def _table(rows: Sequence[Row], columns: Sequence[Metric], *, wide: bool) -> Table:
    judges = _judges(rows)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    several = len(judges) > 1
    table.add_column("model\n[dim]judge[/]" if several and not wide else "model", overflow="fold")
    if several and wide:
        table.add_column("judge")
    for column in columns:
        table.add_column(_head(rows, column), justify="right")
    for model, attack in dict.fromkeys((row.model, row.attack) for row in rows):
        held = [row for row in rows if (row.model, row.attack) == (model, attack)]
        for named, cells in _lines(held, judges, columns):
            if not (named[1] or any(cells)):
                continue  # this judge has nothing to do with these columns
            table.add_row(*_named(held, named, several, wide=wide), *_flat(cells, wide=wide))
        table.add_section()
    return table


def _column(row: Row) -> Metric:
    return row.task, _HARM if row.metric in HARM else row.metric


def _lines(
    rows: Sequence[Row], judges: Sequence[str], columns: Sequence[Metric]
) -> Iterator[tuple[tuple[str, bool], list[str]]]:
    """(judge, whether it is the model's first line) and cells."""
    for number, judge in enumerate(judges or [""]):  # lm-eval's metrics need no judge
        wanted = {judge} if number else {judge, *(r.judge for r in rows if not r.judge_key)}
        held = [row for row in rows if row.judge in wanted]
        yield (judge, number == 0), [_cell(held, column) for column in columns]


def _named(
    rows: Sequence[Row], line: tuple[str, bool], several: bool, *, wide: bool
) -> Iterator[str]:
    """The cells that say whose line it is: model, what is wrong with its attack, judge."""
    judge, first = line
    parts = [_whole(rows[0]) if wide else _broken(_whole(rows[0]))] if first else []
    marks = [SHOWN[mark] if wide else SHOWN[mark].replace(" ", "\n") for mark in _marks(rows)]
    parts += [f"[red]{mark}[/]" for mark in marks] if first else []
    if wide:
        yield ", ".join(parts)
        if several:
            yield f"[dim]{judge}[/]"
    else:
        yield "\n".join([*parts, *([f"[dim]{_broken(judge)}[/]"] if several else [])])


def _flat(cells: Sequence[str], *, wide: bool) -> list[str]:
    """In a wide table an interval stands beside its value."""
    return [cell.replace("\n", "  ", 1) for cell in cells] if wide else list(cells)


def _whole(row: Row) -> str:
    return escape(row.model if row.attack == NO_ATTACK else f"{row.model}+{row.attack}")


def _broken(name: str) -> str:
    """A long name, broken where its parts meet: no word is cut in a narrow terminal."""
    if len(name) <= _NARROW:
        return name
    return re.sub(r"(?<=.)(?=[+(])|(?<=,)|(?<=[a-z]-)(?=[a-z]+$)", "\n", name)


def _marks(rows: Sequence[Row]) -> list[str]:
    """What is wrong with the attack as a measure of harm, by any judge."""
    return _shown([row for row in rows if row.metric in HARM] or rows)


def _shown(rows: Sequence[Row]) -> list[str]:
    return [mark for mark in SHOWN if any(row.valid == mark for row in rows)]


def _head(rows: Sequence[Row], metric: Metric) -> str:
    """Metric, task and number of prompts."""
    held = _of(rows, metric)
    names = dict.fromkeys(title_of(row.metric).replace(" ", "\n") for row in held)
    asked = max(row.n + row.unjudged for row in held)
    return "\n".join([" / ".join(names), metric[0], f"n={asked}"])


def _caption(rows: Sequence[Row]) -> Text:
    several = len({row.seed for row in rows}) > 1
    shown = "share, 95 % Wilson interval"
    if several:
        shown = "mean over seeds, hull of their 95 % Wilson intervals, lowest-highest seed"
    text = f"{shown}; (%): share of the answers judged; judge: {', '.join(_reading(rows))}"
    if mixed := mixed_back_ends(rows):
        text += f"\n{mixed}"
    if any(row.coverage < MIN_COVERAGE for row in rows):
        text += (
            f"\n! under {MIN_COVERAGE:.0%} judged, not to be compared: the rate is over the "
            "judged answers only; [brackets]: what it could be, whatever the others are. Answers "
            "that are none (see degenerate) are unjudged by design, the rest by failure"
        )
    return Text(text, style="dim italic")


def _reading(rows: Sequence[Row]) -> Iterator[str]:
    """Judges, each with what its number for harm is called."""
    for judge in _judges(rows):
        names = dict.fromkeys(
            title_of(row.metric) for row in rows if row.judge == judge and row.metric in HARM
        )
        yield f"{judge} ({', '.join(names)})" if names else judge


def _title(rows: Sequence[Row]) -> Text:
    data = dict.fromkeys(row.attack_data for row in rows if row.attack_data)
    seeds = dict.fromkeys(str(row.seed) for row in rows)
    shown = f", attack data: {harmless(', '.join(data))}" if data else ""
    return Text(f"{rows[0].family}, seed {', '.join(seeds)}{shown}", style="italic")


def _of(rows: Sequence[Row], metric: Metric) -> list[Row]:
    return [row for row in rows if (row.task, row.metric) == metric or _column(row) == metric]


def _cell(rows: Sequence[Row], metric: Metric) -> str:
    """Accuracy as the task reads it, and below it what another reading gives."""
    text, (task, name) = _value(_of(rows, metric)), metric
    if name == OVER_REFUSAL:
        own = [mark for mark in _shown(_of(rows, metric)) if mark not in _marks(rows)]
        return "\n".join([text, *(f"[red]{SHOWN[mark]}[/]" for mark in own)])
    if name != ACCURACY or not text:
        return text
    beside = {other: _of(rows, (task, other)) for other in _BESIDE_ACCURACY}
    shares = [
        f"{label} {pool([row.rate for row in held]).value:.2f}"
        for label, held in zip(("flexible", "unread"), beside.values(), strict=True)
        if held
    ]
    return "\n".join([text, *(f"[dim]{share}[/]" for share in shares)])


def _value(rows: Sequence[Row]) -> str:
    """Value and interval; of several seeds how far they lie apart; what judges decide: coverage."""
    if not rows:
        return ""
    pooled = pool([row.rate for row in rows])
    lines = [f"{pooled.value:.2f}" if pooled.n else "-"]
    if pooled.n:
        lines.append(f"[dim]{pooled.low:.2f}-{pooled.high:.2f}[/]")
    if pooled.spread:
        lines.append("[dim]seeds {:.2f}-{:.2f}[/]".format(*pooled.spread))
    if rows[0].judge_key:
        lines[0] += f" {_coverage(pooled)}"
    if rows[0].metric in _SHARES and pooled.is_thin and pooled.bounds:
        lines.append("[dim]\\[{:.2f}-{:.2f}][/]".format(*pooled.bounds))
    return "\n".join(lines)


def _coverage(pooled: Pooled) -> str:
    """Judged share over the seeds; marked when a single seed of them is below the threshold."""
    if pooled.is_thin:
        return f"[yellow]({percent(pooled.judged)})[/]{_MARK}"
    return f"[dim]({pooled.judged:.0%})[/]"
