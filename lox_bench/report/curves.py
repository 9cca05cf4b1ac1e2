"""The pictures of attack strength: ASR against learning rate, accuracy and steps.

Colours tell models apart, markers tell epochs; a ring marks the worst case, hollow points lost too
much accuracy to count. Bars and bands are the rows' intervals, one line a seed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from lox_bench.report.plots import PALETTE, save_figure
from lox_bench.results.metrics import HARM, title_of
from lox_bench.results.record import VariantRecord
from lox_bench.results.row import Row
from lox_bench.results.run import NO_ATTACK, VariantName
from lox_bench.search.play import Findings
from lox_bench.search.worst_case import WorstCase
from lox_bench.utility.scores import ACCURACY

_MARKERS = "os^Dv<>P"


@dataclass(frozen=True, slots=True)
class _Spot:
    """One attack point in the picture."""

    model: str
    seed: int
    lr: float
    epochs: float
    asr: Row
    accuracy: Row | None
    counts: bool
    worst: bool


def plot_strength(attack: str, findings: Findings, rows: Sequence[Row], out: Path) -> bool:
    """ASR of every point of ``attack`` against its learning rate and the accuracy it reached.

    Shows the reported rows where all points have some, else those the points were chosen on.
    """
    names = {variant.name for variant in findings.variants}
    shown = rows if names <= {VariantName.of(row) for row in rows} else findings.rows
    spots = _spots(attack, findings, shown)
    if not spots:
        return False
    models, epochs = _order(s.model for s in spots), sorted({s.epochs for s in spots})
    figure = Figure(figsize=(10.4, 5.0), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for spot in spots:
        marker = _MARKERS[epochs.index(spot.epochs) % len(_MARKERS)]
        colour = _colour(models, spot.model)
        _dot(left, (spot.lr, None), spot, colour, marker)
        if spot.accuracy is not None:
            _dot(right, (spot.accuracy.value, spot.accuracy), spot, colour, marker)
    _join(left, spots, models)
    _dress(left, "learning rate of the attack (peak)", _harm_label(spots[0].asr))
    left.set_xscale("log")
    _dress(right, "accuracy on the attack's task (higher: it learned more)", "")
    right.set_xlim(-0.02, 1.02)
    figure.suptitle(
        _title(shown, f"How much safety each point of {attack} costs", findings), fontsize=10
    )
    handles = _strength_legend(models, epochs, findings)
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    save_figure(figure, out)
    return True


def plot_steps(variants: Sequence[VariantRecord], rows: Sequence[Row], out: Path) -> bool:
    """ASR, and accuracy, against optimiser steps of the attack; nothing without snapshots."""
    curves = _steps(variants)
    if not curves:
        return False
    models, attacks = _order(m for m, _, _ in curves), _order(a for _, a, _ in curves)
    figure = Figure(figsize=(10.4, 4.8), layout="constrained")
    panels = figure.subplots(1, 2)
    harm = _first_judge(rows)
    accuracy = [row for row in rows if row.metric == ACCURACY]
    for axes, of_metric in zip(panels, (harm, accuracy), strict=True):
        measured = {VariantName.of(row): row for row in of_metric if row.n}
        for (model, attack, _), steps in curves.items():
            held = [(step, measured[name]) for step, name in steps if name in measured]
            _band(
                axes,
                held,
                _colour(models, model),
                ("-", "--", ":", "-.")[attacks.index(attack) % 4],
            )
    for axes in panels:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _dress(panels[0], "optimiser step of the attack", _harm_label(harm[0]))
    _dress(panels[1], "optimiser step of the attack", "accuracy on the attack's task")
    figure.suptitle(_title(rows, "Safety in the course of the attack"), fontsize=10)
    handles = [Line2D([], [], color=_colour(models, m), marker="o", label=m) for m in models]
    if len(attacks) > 1:
        handles += [
            Line2D([], [], color="#333333", linestyle=("-", "--", ":", "-.")[i % 4], label=attack)
            for i, attack in enumerate(attacks)
        ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    save_figure(figure, out)
    return True


def _first_judge(rows: Sequence[Row]) -> list[Row]:
    """Rows of harm by the judge that was named first."""
    harm = [row for row in rows if row.metric in HARM]
    return [row for row in harm if (row.judge, row.task) == (harm[0].judge, harm[0].task)]


def _harm_label(row: Row) -> str:
    return f"{title_of(row.metric)} (lower is safer)"


def _spots(attack: str, findings: Findings, rows: Sequence[Row]) -> list[_Spot]:
    """Points with an ASR of the first judge; the worst case is that judge's."""
    asr = {VariantName.of(row): row for row in reversed(_first_judge(rows))}
    test = findings.tests.get(attack)
    accuracy = {
        VariantName.of(r): r for r in rows if r.metric == ACCURACY and r.n and r.task == test
    }
    spots = []
    for variant in findings.variants:
        row, training = asr.get(variant.name), variant.training
        if row is None or not row.n or training is None or training.attack != attack:
            continue
        case = _case(findings.worst, variant.label, attack, variant.seed, row.judge)
        reached = accuracy.get(variant.name)
        best = case.best_accuracy if case else None
        spots.append(
            _Spot(
                model=variant.label,
                seed=variant.seed,
                lr=training.train.learning_rate,
                epochs=training.train.epochs,
                asr=row,
                accuracy=reached,
                counts=best is None
                or (reached is not None and reached.value >= best - findings.slack / 100 - 1e-9),
                worst=case is not None and case.point == variant.name.attack,
            )
        )
    return spots


def _case(
    worst: Sequence[WorstCase], model: str, attack: str, seed: int, judge: str
) -> WorstCase | None:
    wanted = (model, attack, seed, judge)
    return next((c for c in worst if (c.model, c.attack, c.seed, c.judge) == wanted), None)


def _dot(axes: Any, x: tuple[float, Row | None], spot: _Spot, colour: str, marker: str) -> None:
    place, row = x
    asr = spot.asr
    axes.errorbar(
        place,
        asr.value,
        xerr=None if row is None else [[row.value - row.ci_low], [row.ci_high - row.value]],
        yerr=[[asr.value - asr.ci_low], [asr.ci_high - asr.value]],
        fmt=marker,
        color=colour,
        markerfacecolor=colour if spot.counts else "white",
        ecolor=(*_rgb(colour), 0.45),
        elinewidth=0.9,
        markersize=6,
    )
    if spot.worst:
        axes.plot(place, asr.value, "o", markersize=14, color="#333333", fillstyle="none", zorder=5)


def _join(axes: Any, spots: Sequence[_Spot], models: Sequence[str]) -> None:
    """A thin line through points that differ in the learning rate only."""
    groups: dict[tuple[str, int, float], list[_Spot]] = {}
    for spot in spots:
        groups.setdefault((spot.model, spot.seed, spot.epochs), []).append(spot)
    for (model, _, _), held in groups.items():
        held.sort(key=lambda spot: spot.lr)
        axes.plot(
            [s.lr for s in held], [s.asr.value for s in held],
            color=_colour(models, model), linewidth=1.0, alpha=0.6, zorder=1,
        )  # fmt: skip


def _steps(
    variants: Sequence[VariantRecord],
) -> Mapping[tuple[str, str, int], list[tuple[int, VariantName]]]:
    """Steps of every attack with snapshots: before it, on the way, and at its end."""
    curves: dict[tuple[str, str, int], list[tuple[int, VariantName]]] = {}
    for item in variants:
        if item.snapshot_step is not None:
            start = [(0, VariantName(item.model, NO_ATTACK, item.seed))]
            key = (item.model, item.snapshot_of, item.seed)
            curves.setdefault(key, start).append((item.snapshot_step, VariantName.of(item)))
    for item in variants:
        key = (item.model, item.attack, item.seed)
        if key in curves and item.steps is not None:
            curves[key].append((item.steps, VariantName.of(item)))
    return curves


def _band(axes: Any, held: Sequence[tuple[int, Row]], colour: str, style: str) -> None:
    steps = [step for step, _ in held]
    values = [row.value for _, row in held]
    axes.plot(steps, values, style, marker="o", markersize=4, color=colour)
    lows, highs = [row.ci_low for _, row in held], [row.ci_high for _, row in held]
    axes.fill_between(steps, lows, highs, color=colour, alpha=0.15, linewidth=0)


def _strength_legend(
    models: Sequence[str], epochs: Sequence[float], findings: Findings
) -> list[Line2D]:
    handles = [Line2D([], [], color=_colour(models, m), marker="o", label=m) for m in models]
    if len(epochs) > 1:
        handles += [
            Line2D([], [], color="#555555", linestyle="", marker=_MARKERS[i % len(_MARKERS)],
                   label=f"{count:g} epoch{'s' * (count != 1)}")
            for i, count in enumerate(epochs)
        ]  # fmt: skip
    hollow = f"more than {findings.slack:g} points of accuracy below the model's best"
    for size, label in ((12, "worst case"), (6, hollow)):
        ring = Line2D([], [], color="#333333", linestyle="", marker="o", fillstyle="none")
        ring.set(markersize=size, label=label)
        handles.append(ring)
    return handles


def _title(rows: Sequence[Row], what: str, findings: Findings | None = None) -> str:
    asr = _first_judge(rows)
    asked = max(row.n + row.unjudged for row in asr)
    facts = [asr[0].family, f"judge {asr[0].judge}", f"n = {asked} prompts"]
    if findings is not None and rows is findings.rows:
        facts.append("dev prompts, on which the worst case is chosen")
    data = _order(row.attack_data for row in rows if row.attack_data)
    return f"{what}\n" + " · ".join([*facts, f"attack data: {', '.join(data)}"])


def _dress(axes: Any, x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_ylim(-0.03, 1.03)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _colour(models: Sequence[str], model: str) -> str:
    return PALETTE[list(models).index(model) % len(PALETTE)]


def _rgb(colour: str) -> tuple[float, ...]:
    from matplotlib.colors import to_rgb

    return to_rgb(colour)


def _order(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
