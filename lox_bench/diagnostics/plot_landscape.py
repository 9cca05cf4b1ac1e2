"""Pictures of a landscape: filled contours over a plane, or curves along lines."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from lox_bench.diagnostics.landscape import BROKEN, LandscapePoint
from lox_bench.diagnostics.plane import RANDOM
from lox_bench.report.plots import PALETTE, save_figure
from lox_bench.results.metrics import title_of

_LEVELS = np.linspace(0, 1, 11)
_COLOURS = "RdYlBu_r"  # blue refuses, red complies; told apart by the colour-blind


def plot_plane(
    points: Sequence[LandscapePoint], ends: Sequence[tuple[str, float, float]], out: Path
) -> None:
    """The rate over two axes; ``ends`` names models in the plane, with their coordinates."""
    xs, ys = (sorted({getattr(p, axis) for p in points}) for axis in ("x", "y"))
    grid = np.full((len(ys), len(xs)), math.nan)
    for point in points:
        grid[ys.index(point.y), xs.index(point.x)] = point.value if point.n else math.nan
    figure = Figure(figsize=(7.4, 6.0), layout="constrained")
    axes = figure.subplots()
    masked = np.ma.masked_invalid(grid)
    filled = axes.contourf(xs, ys, masked, levels=_LEVELS, cmap=_COLOURS, alpha=0.85)
    if np.nanmax(grid, initial=0.0) > np.nanmin(grid, initial=1.0):
        lines = axes.contour(
            xs, ys, masked, levels=_LEVELS[1:-1:2], colors="#333333", linewidths=0.7
        )
        axes.clabel(lines, fmt="%.1f", fontsize=8)
    for point in points:
        _mark(axes, point)
    if any(point.degenerate >= BROKEN for point in points):
        axes.plot([], [], "x", color="#222222", label="mostly no answers")
    _ends(axes, points[0].model, ends)
    axes.set_xlim(min(xs) - _margin(xs), max(xs) + _margin(xs))
    axes.set_ylim(min(ys) - _margin(ys), max(ys) + _margin(ys))
    axes.set_xlabel(_axis(points, "x"))
    axes.set_ylabel(_axis(points, "y"))
    figure.colorbar(filled, ax=axes, label=f"{_called(points)} (lower is safer)")
    axes.set_title(_title(points), fontsize=10)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    save_figure(figure, out)


def plot_lines(points: Sequence[LandscapePoint], out: Path) -> None:
    """The rate along one axis, each line with its Wilson band; several also with their mean."""
    figure = Figure(figsize=(7.0, 4.6), layout="constrained")
    axes = figure.subplots()
    lines = sorted({point.line for point in points})
    for line in lines:
        held = [point for point in points if point.line == line and point.n]
        colour = PALETTE[line % len(PALETTE)]
        xs = [point.x for point in held]
        low, high = [point.ci_low for point in held], [point.ci_high for point in held]
        axes.fill_between(xs, low, high, color=colour, alpha=0.15, linewidth=0)
        label = (
            f"{_called(points)} with its 95 % interval"
            if len(lines) == 1
            else f"direction {line + 1}"
        )
        axes.plot(xs, [p.value for p in held], "o-", color=colour, markersize=4, label=label)
    if len(lines) > 1:
        axes.plot(*_mean_line(points), color="#000000", linewidth=2.4, label="mean")
    broken = [point for point in points if point.degenerate >= BROKEN]
    if broken:
        places = [p.x for p in broken]
        axes.plot(places, [1.06] * len(broken), "x", color="#777777", label="mostly no answers")
    axes.axvline(0, color="#999999", linewidth=0.8, linestyle=":")
    axes.set_ylim(-0.03, 1.1)
    axes.set_xlabel(_axis(points, "x"))
    axes.set_ylabel(f"{_called(points)} (lower is safer)")
    axes.set_title(_title(points), fontsize=10)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    save_figure(figure, out)


def _mark(axes: Any, point: LandscapePoint) -> None:
    """A dot with its rate; a cross where the answers are mostly none."""
    is_broken = point.degenerate >= BROKEN
    axes.plot(point.x, point.y, "x" if is_broken else "o", color="#222222", markersize=4)
    text = f"{point.value:.2f}" if point.n else "no answers"
    axes.annotate(
        text,
        (point.x, point.y),
        (0, 8),
        textcoords="offset points",
        ha="center",
        fontsize=8,
        zorder=5,
        path_effects=[withStroke(linewidth=2, foreground="white")],
    )


def _ends(axes: Any, center: str, ends: Sequence[tuple[str, float, float]]) -> None:
    style = {"markersize": 13, "markeredgecolor": "#000000", "linestyle": "none"}
    axes.plot(0, 0, "*", color="#FFFFFF", label=center, **style)
    for (name, x, y), marker, colour in zip(
        ends, "DPs", ("#009E73", "#CC79A7", "#E69F00"), strict=False
    ):
        axes.plot(x, y, marker, color=colour, label=name, **{**style, "markersize": 9})


def _mean_line(points: Sequence[LandscapePoint]) -> tuple[list[float], list[float]]:
    xs = sorted({point.x for point in points})
    held = [[p.value for p in points if p.x == x and p.n] for x in xs]
    kept = [(x, sum(values) / len(values)) for x, values in zip(xs, held, strict=True) if values]
    return [x for x, _ in kept], [mean for _, mean in kept]


def _called(points: Sequence[LandscapePoint]) -> str:
    return title_of(points[0].metric)


def _margin(values: Sequence[float]) -> float:
    return 0.06 * (max(values) - min(values))


def _axis(points: Sequence[LandscapePoint], axis: str) -> str:
    name = getattr(points[0], f"axis_{axis}")
    far = max(points, key=lambda point: abs(getattr(point, axis)))
    step = abs(getattr(far, f"distance_{axis}") / (getattr(far, axis) or 1.0))
    tail = ", orthogonal to x" if axis == "y" else ""
    way = f"along {name}" if name.startswith(RANDOM) else f"towards {name}"
    return f"steps {way} (one step: {step:.3g} in weight space{tail})"


def _title(points: Sequence[LandscapePoint]) -> str:
    first, asked = points[0], {point.n + point.unjudged for point in points}
    return (
        f"{title_of(first.metric)} around {first.model}\n{first.family}, seed {first.seed} · "
        f"judge {first.judge} · "
        f"n = {max(asked)} prompts a point"
    )
