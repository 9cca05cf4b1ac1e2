"""The picture of an effective rank: the rate against the directions kept."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib.figure import Figure

from lox_bench.diagnostics.effective_rank import EffectiveRank, RankPoint
from lox_bench.report.plots import PALETTE, save_figure
from lox_bench.results.metrics import title_of


def plot_ranks(points: Sequence[RankPoint], found: Sequence[EffectiveRank], out: Path) -> None:
    """One curve a seed, for one judge; ``rank`` 0 is the base, the band is the aligned model."""
    figure = Figure(figsize=(7.0, 4.6), layout="constrained")
    axes = figure.subplots()
    ranks = sorted({point.rank for point in points if point.rank is not None})
    for index, answer in enumerate(found):
        colour = PALETTE[index % len(PALETTE)]
        held = [point for point in points if point.seed == answer.seed]
        _curve(axes, held, ranks, colour, _label(answer, several=len(found) > 1))
        aligned = next(point for point in held if point.model == "aligned")
        axes.axhline(aligned.value, color=colour, linewidth=1.2, linestyle="--")
        axes.axhspan(aligned.ci_low, aligned.ci_high, color=colour, alpha=0.08, linewidth=0)
        if answer.rank is not None:
            axes.axvline(ranks.index(answer.rank), color=colour, linewidth=1, linestyle=":")
    axes.plot([], [], "--", color="#555555", label="aligned model (band: 95 %)")
    axes.set_xticks(range(len(ranks)), ["base" if rank == 0 else str(rank) for rank in ranks])
    axes.set_ylim(-0.03, 1.08)
    axes.set_xlabel("directions of the alignment kept, r")
    first = points[0]
    axes.set_ylabel(title_of(first.metric) + r" of base + $\mathrm{Proj}_r(\Delta W)$")
    asked = max(point.n + point.unjudged for point in points)
    axes.set_title(
        f"How many directions carry the alignment\n{first.family} · judge {first.judge} · "
        f"n = {asked} prompts a point",
        fontsize=10,
    )
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    save_figure(figure, out)


def _curve(
    axes: Any, points: Sequence[RankPoint], ranks: Sequence[int], colour: str, label: str
) -> None:
    held = [(ranks.index(p.rank), p) for p in points if p.rank is not None and p.n]
    axes.errorbar(
        [x for x, _ in held],
        [p.value for _, p in held],
        yerr=[[p.value - p.ci_low for _, p in held], [p.ci_high - p.value for _, p in held]],
        fmt="o-",
        color=colour,
        markersize=4,
        elinewidth=0.9,
        capsize=3,
        label=label,
    )


def _label(answer: EffectiveRank, *, several: bool) -> str:
    seed = f"seed {answer.seed}: " if several else ""
    return f"{seed}effective rank {answer.said(answer.rank)} (95 %: {answer.interval})"
