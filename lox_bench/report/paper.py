"""Figures for a paper or for slides: vector, of a column's width, without titles.

What a title would say stands in ``captions.md`` beside them, to be put into the caption.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from textwrap import wrap
from typing import Any, Final

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lox_bench.report.forms import Style
from lox_bench.report.markdown import MARK
from lox_bench.report.merge import Board, Entry, newest
from lox_bench.report.publish import write_ours
from lox_bench.report.style import LOOKS, Look, bare, mark, save_vector
from lox_bench.report.transcripts import HAZARDS
from lox_bench.results.hazards import HazardRate, hazard_rates
from lox_bench.results.metrics import HARM, OVER_REFUSAL, title_of
from lox_bench.results.row import Row
from lox_bench.results.run import NO_ATTACK
from lox_bench.results.validity import NO
from lox_bench.stats.pool import pool
from lox_bench.utility.scores import ACCURACY

CAPTIONS: Final = "captions.md"
_ABREAST: Final = 3
_LABEL: Final = 22  # characters of a name in a line
_BARS: Final = "Bars are 95 % Wilson intervals; of several seeds the mean and the hull of theirs."
_LEFT_OUT: Final = "Hollow marks: the attack is not valid."


@dataclass(frozen=True, slots=True)
class Dot:
    """A rate with its interval, as shares; ``sound`` unless its attack is not valid."""

    value: float
    low: float
    high: float
    n: int
    sound: bool = True


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines from top to bottom, and in each a dot a series where there is one."""

    title: str
    lines: tuple[str, ...]
    series: tuple[str, ...]
    dots: dict[tuple[str, str], Dot] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drawing:
    """One figure to be: its file's name, what the axis measures, what the caption says."""

    stem: str
    measures: str
    says: str
    panels: tuple[Panel, ...]


def write_figures(boards: Sequence[Board], folder: Path, style: Style) -> list[Path]:
    """Every figure as PDF and SVG, and their captions; what was written is returned.

    Raises:
        UsageError: a file is in the way that lox-bench did not make.
        StoreError: the folder cannot be written.
        DataError: a run cannot be read.
    """
    look, written, captions = LOOKS[style], list[Path](), [MARK]
    for drawing in drawings(boards):
        with look.used():
            written += save_vector(draw(drawing, look), folder, drawing.stem)
        captions.append(f"## {drawing.stem}\n\n{_caption(drawing)}")
    if written:
        write_ours(folder / CAPTIONS, "\n\n".join(captions) + "\n", mark=MARK)
    return written


def drawings(boards: Sequence[Board]) -> list[Drawing]:
    """What there is to draw: harm, over-refusal and accuracy by model, harm by hazard."""
    entries = newest(entry for board in boards for entry in board.entries)
    found = [*_by_model(entries)]
    for board in boards:
        if board.run is not None:
            found += _by_hazard(board.name, hazard_rates(board.run))
    stems = [drawing.stem for drawing in found]
    return [
        drawing
        if stems.count(drawing.stem) == 1
        else Drawing(f"{drawing.stem}-{at}", drawing.measures, drawing.says, drawing.panels)
        for at, drawing in enumerate(found, start=1)
    ]


def draw(drawing: Drawing, look: Look) -> Figure:
    """The figure, of exactly a column's or a page's width."""
    panels = drawing.panels
    columns = min(len(panels), _ABREAST)
    rows = ceil(len(panels) / columns)
    series = list(dict.fromkeys(name for panel in panels for name in panel.series))
    lines = max(len(panel.lines) for panel in panels)
    high = max(1.3, 0.7 * len(series)) * lines + 3.6  # in lines of text
    keys = 1 + ceil(len(series) / (2 if columns == 1 else 4))
    figure = Figure(
        figsize=(look.width(len(panels)), look.unit * (rows * high + keys)), layout="constrained"
    )
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for number, (axes, panel) in enumerate(zip(grid.flat, panels, strict=False)):
        _draw(axes, panel, series, look)
        if number + columns >= len(panels):  # nothing below it
            axes.set_xlabel(drawing.measures)
            axes.tick_params(labelbottom=True)
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_visible(False)
    look.legend(figure, _keys(series, look))
    return figure


def _draw(axes: Any, panel: Panel, series: Sequence[str], look: Look) -> None:
    step = 0.7 / len(series)
    for number, name in enumerate(series):
        shift = (number - (len(series) - 1) / 2) * step
        for at, line in enumerate(panel.lines):
            dot = panel.dots.get((line, name))
            if dot is None:
                continue
            form = mark(number)
            axes.errorbar(
                dot.value,
                at + shift,
                xerr=[[max(0.0, dot.value - dot.low)], [max(0.0, dot.high - dot.value)]],
                **form,
                markerfacecolor=form["color"] if dot.sound else "#ffffff",
                markersize=look.text / 2,
                linewidth=look.text / 8,
                capsize=0,
                linestyle="none",
            )
    axes.set_yticks(
        range(len(panel.lines)), ["\n".join(wrap(line, _LABEL)) for line in panel.lines]
    )
    axes.set_ylim(len(panel.lines) - 0.5, -0.5)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.set_title("\n".join(wrap(panel.title, _LABEL)))
    bare(axes)


def _keys(series: Sequence[str], look: Look) -> list[Line2D]:
    return [
        Line2D([], [], linestyle="none", markersize=look.text / 2, label=name, **mark(number))
        for number, name in enumerate(series)
    ]


def _by_model(entries: Sequence[Entry]) -> Iterator[Drawing]:
    """A figure a family, task and metric; a panel a judge, a line a model, a mark an attack."""
    rows = [row for row in (entry.row for entry in entries) if row.n]
    wanted = [row for row in rows if row.metric in {*HARM, OVER_REFUSAL, ACCURACY}]
    for name in dict.fromkeys((row.family, row.task, row.metric) for row in wanted):
        held = [row for row in wanted if (row.family, row.task, row.metric) == name]
        family, task, metric = name
        yield Drawing(
            stem=f"{metric}-{task}-{family}".replace("/", "-"),
            measures=title_of(metric),
            says=f"{_begun(title_of(metric))} on {task} of {family}.",
            panels=tuple(_model_panel(judge, held) for judge in _order(row.judge for row in held)),
        )


def _model_panel(judge: str, rows: Sequence[Row]) -> Panel:
    models, attacks = _order(row.model for row in rows), _order(row.attack for row in rows)
    dots = {}
    for model in models:
        for attack in attacks:
            name = (judge, model, attack)
            held = [row for row in rows if (row.judge, row.model, row.attack) == name]
            if held:
                pooled = pool([row.rate for row in held])
                sound = all(row.valid != NO for row in held)
                dot = Dot(pooled.value, pooled.low, pooled.high, pooled.n, sound)
                dots[model, _after(attack)] = dot
    return Panel(f"by {judge}", models, tuple(map(_after, attacks)), dots)


def _by_hazard(run: str, rates: Sequence[HazardRate]) -> Iterator[Drawing]:
    """A figure a task, judge and metric; a panel a state, a line a hazard, a mark a model."""
    for name in dict.fromkeys((item.task, item.judge, item.metric) for item in rates):
        held = [item for item in rates if (item.task, item.judge, item.metric) == name]
        task, judge, metric = name
        yield Drawing(
            stem=f"hazards-{metric}-{task}-{judge}".replace("/", "-"),
            measures=title_of(metric),
            says=f"{_begun(title_of(metric))} on {task} by {judge}, by hazard, run {run}.",
            panels=tuple(_hazard_panel(x, held) for x in _order(item.attack for item in held)),
        )


def _hazard_panel(attack: str, rates: Sequence[HazardRate]) -> Panel:
    held = [item for item in rates if item.attack == attack]
    return Panel(
        title=_after(attack),
        lines=_order(HAZARDS.get(item.hazard, item.hazard) for item in rates),
        series=_order(item.model for item in rates),
        dots={
            (HAZARDS.get(item.hazard, item.hazard), item.model): Dot(
                item.value, item.ci_low, item.ci_high, item.n
            )
            for item in held
            if item.n
        },
    )


def _caption(drawing: Drawing) -> str:
    dots = [dot for panel in drawing.panels for dot in panel.dots.values()]
    low, high = min(dot.n for dot in dots), max(dot.n for dot in dots)
    count = f"n = {low}" if low == high else f"n = {low} to {high}"
    hollow = "" if all(dot.sound for dot in dots) else f" {_LEFT_OUT}"
    return f"{drawing.says} {_BARS} {count} judged answers a mark, seeds together.{hollow}"


def _after(attack: str) -> str:
    return "before the attack" if attack == NO_ATTACK else f"after {attack}"


def _order(names: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _begun(text: str) -> str:
    """With a capital letter at its beginning; ASR stays ASR."""
    return text[:1].upper() + text[1:]
