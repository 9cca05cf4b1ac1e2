"""The pictures of a run: harm before and after the attack and against accuracy, loss curves.

Harm is refusal lost or attack success, as the judge reads.

Colours are Okabe and Ito's, told apart by the colour-blind; error bars are the rows' intervals.
Several seeds are drawn as one point at their mean, the bar from the lowest to the highest bound;
several judges each get a panel of their own. What too few answers were judged for is hatched.
"""

import csv
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from lox_bench.results.metrics import HARM, title_of
from lox_bench.results.row import Row
from lox_bench.results.run import NO_ATTACK
from lox_bench.results.text_table import percent
from lox_bench.stats.pool import Pooled, pool
from lox_bench.stats.rates import MIN_COVERAGE

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DPI = 160
_ABREAST = 6  # groups of bars up to which the judges' panels stand side by side
_HATCH = "////"
FORMS = "osD^vPX"  # of attacks
_RING: Mapping[str, Any] = {
    "marker": "o",
    "markersize": 13,
    "markerfacecolor": "none",
    "markeredgewidth": 1.2,
}
_THIN = f"under {MIN_COVERAGE:.0%} of the answers judged"


def plot_safety(rows: Sequence[Row], out: Path) -> bool:
    """Harm per model, unattacked beside attacked; nothing is drawn without such rows."""
    wanted = [row for row in rows if row.metric in HARM]
    if not wanted:
        return False
    models, judges = _order(row.model for row in wanted), _order(row.judge for row in wanted)
    abreast = len(models) * len(judges) <= _ABREAST
    width = max(6.6 / (len(judges) if abreast else 1), 1.9 * len(models) + 1.0)
    height = 4.4 if abreast or len(judges) == 1 else 2.9
    figure, panels = _panels(wanted, (width, height), abreast=abreast)
    for judge, axes in zip(judges, panels, strict=True):
        _asr_panel(axes, models, [row for row in wanted if row.judge == judge])
    figure.supylabel(f"{_measured(wanted)} (lower is safer)", fontsize=10)
    keys = [
        Patch(color=colour, label="before the attack" if attack == "none" else f"after {attack}")
        for attack, colour in zip(
            _order(row.attack for row in wanted), cycle(PALETTE), strict=False
        )
    ]
    if any(row.coverage < MIN_COVERAGE for row in wanted):
        keys.append(Patch(facecolor="white", edgecolor="#333333", hatch=_HATCH, label=_THIN))
    _finish(figure, panels, _title(wanted, "Before and after the attack"), keys, out)
    return True


def plot_tradeoff(rows: Sequence[Row], out: Path) -> bool:
    """Harm against accuracy: a colour a model, a form an attack, hollow before any."""
    wanted = [row for row in rows if row.metric in HARM]
    judges = _order(row.judge for row in wanted)
    if not judges or not any(row.metric == "accuracy" for row in rows):
        return False
    figure, panels = _panels(wanted, (6.2 if len(judges) == 1 else 4.4, 4.6), abreast=True)
    thin = False
    for judge, axes in zip(judges, panels, strict=True):
        held = [row for row in rows if row.metric == "accuracy" or row.judge == judge]
        thin |= _tradeoff_panel(axes, held)
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        tasks = ", ".join(_order(row.task for row in rows if row.metric == "accuracy"))
        axes.set_xlabel(f"accuracy on {tasks}\n(higher: it learned more)")
    figure.supylabel(f"{_measured(wanted)} (lower is safer)", fontsize=10)
    ring = Line2D([], [], label=_THIN, color="#333333", linestyle="none", **_RING)
    title = _title(rows, "Safety against what the attack taught")
    _finish(figure, panels, title, [ring] if thin else [], out)
    return True


def _panels(
    harm: Sequence[Row], size: tuple[float, float], *, abreast: bool
) -> tuple[Figure, list[Any]]:
    """A figure with a panel of ``size`` (inches) per judge, named after it if there are several."""
    judges = _order(row.judge for row in harm)
    rows, columns = (1, len(judges)) if abreast else (len(judges), 1)
    figure = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).flat)
    if len(judges) > 1:
        for judge, axes in zip(judges, panels, strict=True):
            said = _measured([row for row in harm if row.judge == judge])
            axes.set_title(f"{said}, by {judge}", fontsize=10)
    return figure, panels


def _asr_panel(axes: Any, models: Sequence[str], rows: Sequence[Row]) -> None:
    attacks = _order(row.attack for row in rows)
    width = 0.8 / len(attacks)
    for index, attack in enumerate(attacks):
        points = [_pool([r for r in rows if (r.model, r.attack) == (m, attack)]) for m in models]
        places = [i + (index - (len(attacks) - 1) / 2) * width for i in range(len(models))]
        _bars(axes, places, points, width, PALETTE[index % len(PALETTE)])
        for x, model, point in zip(places, models, points, strict=True):
            if point is None and any((row.model, row.attack) == (model, attack) for row in rows):
                axes.annotate("none\njudged", (x, 0.02), ha="center", fontsize=8)
    axes.set_xticks(range(len(models)), models)
    axes.set_ylim(0, 1.16)  # room for the labels of full bars
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])


def _tradeoff_panel(axes: Any, rows: Sequence[Row]) -> bool:
    """Draw every model that has both numbers; whether one of them was judged too little."""
    models, thin = _order(row.model for row in rows), False
    attacks = [attack for attack in _order(row.attack for row in rows) if attack != NO_ATTACK]
    for model in models:
        colour = PALETTE[models.index(model) % len(PALETTE)]
        for attack in _order(row.attack for row in rows if row.model == model):
            held = [row for row in rows if (row.model, row.attack) == (model, attack)]
            asr = _pool([row for row in held if row.metric in HARM])
            accuracy = _pool([row for row in held if row.metric == "accuracy"])
            if asr is None or accuracy is None:
                continue
            name = model if attack == NO_ATTACK else f"{model}+{attack}"
            form = "" if attack == NO_ATTACK else FORMS[attacks.index(attack) % len(FORMS)]
            _cross(axes, accuracy, asr, colour, name, form)
            thin |= asr.is_thin
    return thin


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
    title = "Training loss (attack: nats per token; alignment: DPO + SFT)"
    _finish(figure, [axes], title, [], out)
    return True


def _bars(
    axes: Any,
    places: Sequence[float],
    points: Sequence[Pooled | None],
    width: float,
    colour: str,
) -> None:
    held = [(x, point) for x, point in zip(places, points, strict=True) if point is not None]
    bars = axes.bar([x for x, _ in held], [p.value for _, p in held], width * 0.92, color=colour)
    for bar, (_, point) in zip(bars, held, strict=True):
        if point.is_thin:
            bar.set(facecolor="white", edgecolor=colour, hatch=_HATCH)
    for x, point in held:
        axes.errorbar(
            x,
            point.value,
            yerr=[[point.value - point.low], [point.high - point.value]],
            color="#333333",
            linewidth=1.2,
            capsize=4,
        )
        judged = f"\n({percent(point.judged)})" if point.is_thin else ""
        text = f"{point.value:.2f}\nn={point.n}{judged}"
        axes.annotate(
            text, (x, point.high), (0, 3), textcoords="offset points", ha="center", fontsize=8
        )


def _cross(axes: Any, x: Pooled, y: Pooled, colour: str, label: str, form: str) -> None:
    """A point with its intervals; hollow without a form of its own."""
    axes.errorbar(
        x.value,
        y.value,
        xerr=[[x.value - x.low], [x.high - x.value]],
        yerr=[[y.value - y.low], [y.high - y.value]],
        fmt=form or "o",
        color=colour,
        markerfacecolor=colour if form else "white",
        elinewidth=0.9,
        label=label,
    )
    if y.is_thin:
        axes.plot(x.value, y.value, color=colour, linestyle="none", **_RING)


def _measured(harm: Sequence[Row]) -> str:
    """What the rows measure, in words."""
    return " or ".join(_order(title_of(row.metric) for row in harm))


def _pool(rows: Sequence[Row]) -> Pooled | None:
    """The seeds as one; nothing where nothing was judged."""
    pooled = pool([row.rate for row in rows]) if rows else None
    return pooled if pooled is not None and pooled.n else None


def _title(rows: Sequence[Row], what: str) -> str:
    data = _order(row.attack_data for row in rows if row.attack_data)
    judges = _order(row.judge for row in rows if row.metric in HARM)
    seeds = len({row.seed for row in rows})
    facts = [rows[0].family, f"{seeds} seed{'s' * (seeds > 1)}"]
    if len(judges) == 1:  # else the panels name them
        facts.insert(1, f"judge {judges[0]}")
    if data:
        facts.append(f"attack data: {', '.join(data)}")
    return f"{what}\n" + " · ".join(facts)


def _order(names: Any) -> list[str]:
    return list(dict.fromkeys(names))


def _finish(
    figure: Figure, panels: Sequence[Any], title: str, notes: Sequence[Any], out: Path
) -> None:
    """Title, grid and one legend for all panels (each label once, then ``notes``); save."""
    figure.suptitle(title, fontsize=10)
    named: dict[str, Any] = {}
    for axes in panels:
        axes.grid(axis="y", color="#dddddd", linewidth=0.6)
        axes.set_axisbelow(True)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        handles, labels = axes.get_legend_handles_labels()
        named = {**dict(zip(labels, handles, strict=True)), **named}
    handles = [*named.values(), *notes]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    save_figure(figure, out)


def save_figure(figure: Figure, out: Path) -> None:
    """As PNG and as SVG; equal figures give equal bytes (no date, ids hashed with a fixed salt).

    A title or legend wider than the axes widens the picture rather than being cut.
    """
    figure.savefig(out.with_suffix(".png"), dpi=_DPI, bbox_inches="tight")
    with mpl.rc_context({"svg.hashsalt": "lox-bench"}):
        figure.savefig(out.with_suffix(".svg"), metadata={"Date": None}, bbox_inches="tight")
