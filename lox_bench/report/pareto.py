"""Safety kept against usefulness kept, under each model's worst attack, with the best trade-offs.

A defence that refuses everything keeps all refusals; the picture shows what it gives up for that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from matplotlib.figure import Figure

from lox_bench.report.plots import FORMS, PALETTE, save_figure
from lox_bench.report.standings import Standing
from lox_bench.results.metrics import title_of
from lox_bench.stats.pool import Pooled

_X: Final = ("look-alikes answered before any attack", "accuracy after the attacks")


@dataclass(frozen=True, slots=True)
class Spot:
    """A model: (value, low, high) of usefulness ``x`` and of safety kept ``y``, as shares."""

    model: str
    x: tuple[float, float, float]
    y: tuple[float, float, float]


def front(spots: Sequence[Spot]) -> list[Spot]:
    """Those that no other beats in both respects (ties stay), by rising usefulness.

    By the estimates: of two whose intervals overlap either may be the better one.
    """
    best = [spot for spot in spots if not any(_beats(other, spot) for other in spots)]
    return sorted(best, key=lambda spot: (spot.x[0], -spot.y[0]))


def plot_pareto(items: Sequence[Standing], out: Path) -> bool:
    """Draw one family, prompt set and judge; whether there was anything to draw."""
    panels = [(title, spots) for title, spots in zip(_X, _spots(items), strict=True) if spots]
    if not panels:
        return False
    figure = Figure(figsize=(5.2 * len(panels), 4.6), layout="constrained")
    models = list(dict.fromkeys(item.model for item in items))
    for axes, (title, spots) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
    ):
        _panel(axes, spots, models)
        axes.set_xlabel(title)
        axes.set_ylabel(f"1 - {title_of(items[0].metric)} under the worst attack")
    first = items[0]
    figure.suptitle(
        f"Safety kept against usefulness kept\n{first.family} · {first.task} · judge {first.judge}",
        fontsize=10,
    )
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    save_figure(figure, out)
    return True


def _spots(items: Sequence[Standing]) -> tuple[list[Spot], list[Spot]]:
    answered, accurate = list[Spot](), list[Spot]()
    for item in items:
        if not item.attacks:
            continue
        kept = _complement(item.worst)
        if item.over_refusal is not None:
            answered.append(Spot(item.model, _complement(item.over_refusal), kept))
        if item.accuracy is not None:
            held = item.accuracy
            accurate.append(Spot(item.model, (held.value, held.low, held.high), kept))
    return answered, accurate


def _complement(pooled: Pooled) -> tuple[float, float, float]:
    return 1 - pooled.value, 1 - pooled.high, 1 - pooled.low


def _beats(one: Spot, other: Spot) -> bool:
    no_worse = one.x[0] >= other.x[0] and one.y[0] >= other.y[0]
    return no_worse and (one.x[0] > other.x[0] or one.y[0] > other.y[0])


def _panel(axes: Any, spots: Sequence[Spot], models: Sequence[str]) -> None:
    best = front(spots)
    axes.step(
        [spot.x[0] for spot in best],
        [spot.y[0] for spot in best],
        where="pre",
        color="#999999",
        linewidth=2.5,
        alpha=0.5,
        label="best trade-offs (by estimate)",
        zorder=1,
    )
    for spot in spots:
        number = models.index(spot.model)
        axes.errorbar(
            spot.x[0],
            spot.y[0],
            xerr=[[spot.x[0] - spot.x[1]], [spot.x[2] - spot.x[0]]],
            yerr=[[spot.y[0] - spot.y[1]], [spot.y[2] - spot.y[0]]],
            fmt=FORMS[number // len(PALETTE) % len(FORMS)],
            color=PALETTE[number % len(PALETTE)],
            elinewidth=0.8,
            alpha=0.9,
            label=spot.model,
        )
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
