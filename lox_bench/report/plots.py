"""The pictures of a run: ASR before and after the attack, ASR against accuracy, loss curves.

Colours are Okabe and Ito's, told apart by the colour-blind; error bars are the rows' intervals.
Several seeds are drawn as one point at their mean, the bar from the lowest to the highest bound.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib.figure import Figure

from lox_bench.rows import Row

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DPI = 160


@dataclass(frozen=True, slots=True)
class _Point:
    value: float
    low: float
    high: float
    n: int


def plot_asr(rows: Sequence[Row], out: Path) -> bool:
    """ASR per model, unattacked beside attacked; nothing is drawn without ASR rows."""
    wanted = [row for row in rows if row.metric == "asr"]
    if not wanted:
        return False
    models, attacks = _order(row.model for row in wanted), _order(row.attack for row in wanted)
    figure = Figure(figsize=(max(6.6, 1.9 * len(models) + 1.5), 4.4), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(attacks)
    for index, attack in enumerate(attacks):
        points = [_pool([r for r in wanted if (r.model, r.attack) == (m, attack)]) for m in models]
        places = [i + (index - (len(attacks) - 1) / 2) * width for i in range(len(models))]
        label = "before the attack" if attack == "none" else f"after {attack}"
        _bars(axes, places, points, width, label, PALETTE[index % len(PALETTE)])
    axes.set_xticks(range(len(models)), models)
    axes.set_ylim(0, 1.12)  # room for the labels of full bars
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axes.set_ylabel("attack success rate (lower is safer)")
    axes.set_title(_title(wanted, "ASR before and after the attack"))
    _finish(figure, axes, out)
    return True


def plot_tradeoff(rows: Sequence[Row], out: Path) -> bool:
    """ASR against accuracy on the attack's own task, one marker a cell."""
    figure = Figure(figsize=(6.2, 4.6), layout="constrained")
    axes = figure.subplots()
    models = _order(row.model for row in rows)
    drawn = 0
    for model in models:
        colour = PALETTE[models.index(model) % len(PALETTE)]
        for attack in _order(row.attack for row in rows if row.model == model):
            cell = [row for row in rows if (row.model, row.attack) == (model, attack)]
            asr = _pool([row for row in cell if row.metric == "asr"])
            accuracy = _pool([row for row in cell if row.metric == "accuracy"])
            if asr is None or accuracy is None:
                continue
            name = model if attack == "none" else f"{model}+{attack}"
            _cross(axes, accuracy, asr, colour, name, hollow=attack == "none")
            drawn += 1
    if not drawn:
        return False
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("accuracy on the attack's task (higher: it learned more)")
    axes.set_ylabel("attack success rate (lower is safer)")
    axes.set_title(_title(rows, "Safety against what the attack taught"))
    _finish(figure, axes, out)
    return True


def plot_losses(curves: Mapping[str, Path], out: Path) -> bool:
    """Training loss per step of every stage that trained; ``curves`` maps titles to CSV files."""
    if not curves:
        return False
    figure = Figure(figsize=(6.8, 4.2), layout="constrained")
    axes = figure.subplots()
    for index, (title, file) in enumerate(curves.items()):
        with file.open(newline="") as stream:
            points = [(int(row["step"]), float(row["loss"])) for row in csv.DictReader(stream)]
        colour = PALETTE[index % len(PALETTE)]
        axes.plot(*zip(*points, strict=True), label=title, color=colour, linewidth=1.4)
    axes.set_xlabel("optimiser step")
    axes.set_ylabel("loss")
    axes.set_ylim(bottom=0)
    axes.set_title("Training loss (attack: nats per token; alignment: DPO + SFT)")
    _finish(figure, axes, out)
    return True


def _bars(
    axes: Any,
    places: Sequence[float],
    points: Sequence[_Point | None],
    width: float,
    label: str,
    colour: str,
) -> None:
    held = [(x, point) for x, point in zip(places, points, strict=True) if point is not None]
    axes.bar(
        [x for x, _ in held], [p.value for _, p in held], width * 0.92, color=colour, label=label
    )
    for x, point in held:
        axes.errorbar(
            x,
            point.value,
            yerr=[[point.value - point.low], [point.high - point.value]],
            color="#333333",
            linewidth=1.2,
            capsize=4,
        )
        text = f"{point.value:.2f}\nn={point.n}"
        axes.annotate(
            text, (x, point.high), (0, 3), textcoords="offset points", ha="center", fontsize=8
        )


def _cross(axes: Any, x: _Point, y: _Point, colour: str, label: str, *, hollow: bool) -> None:
    axes.errorbar(
        x.value,
        y.value,
        xerr=[[x.value - x.low], [x.high - x.value]],
        yerr=[[y.value - y.low], [y.high - y.value]],
        fmt="o",
        color=colour,
        markerfacecolor="white" if hollow else colour,
        elinewidth=0.9,
        label=label,
    )


def _pool(rows: Sequence[Row]) -> _Point | None:
    held = [row for row in rows if row.n]
    if not held:
        return None
    return _Point(
        value=sum(row.value for row in held) / len(held),
        low=min(row.ci_low for row in held),
        high=max(row.ci_high for row in held),
        n=sum(row.n for row in held),
    )


def _title(rows: Sequence[Row], what: str) -> str:
    data = _order(row.attack_data for row in rows if row.attack_data)
    judges = _order(row.judge for row in rows if row.metric == "asr")
    seeds = len({row.seed for row in rows})
    facts = [rows[0].family, f"judge {', '.join(judges)}", f"{seeds} seed{'s' * (seeds > 1)}"]
    if data:
        facts.append(f"attack data: {', '.join(data)}")
    return f"{what}\n" + " · ".join(facts)


def _order(names: Any) -> list[str]:
    return list(dict.fromkeys(names))


def _finish(figure: Figure, axes: Any, out: Path) -> None:
    axes.title.set_fontsize(10)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    save_figure(figure, out)


def save_figure(figure: Figure, out: Path) -> None:
    """As PNG and as SVG; equal figures give equal bytes (no date, ids hashed with a fixed salt).

    A title or legend wider than the axes widens the picture rather than being cut.
    """
    figure.savefig(out.with_suffix(".png"), dpi=_DPI, bbox_inches="tight")
    with mpl.rc_context({"svg.hashsalt": "lox-bench"}):
        figure.savefig(out.with_suffix(".svg"), metadata={"Date": None}, bbox_inches="tight")
