"""Pictures of a diagnosis: spectra by layer, and measures by layer and projection type."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lox_bench.diagnostics.measures import MatrixReport
from lox_bench.report.plots import save_figure

_LAYER_COLOURS = "viridis"
_PANELS_A_ROW = 4
_SHOWN = (0.02, 0.98)  # quantiles at which the colours of a heat map end
_ORDER = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")

PANELS: Mapping[str, str] = {
    "r_align": r"$R_{align}$: alignment within its top k",
    "r_ratio": r"$R_{ft}\,/\,R_{align}$: what fine-tuning left of it",
    "overlap_left": "overlap of the top-k subspaces\nof alignment and fine-tuning",
    "cosine": r"cosine of $\Delta W$ and $\Delta_{ft}$" + "\n(negative: alignment undone)",
    "stable_rank": r"stable rank of $\Delta W$",
    "relative_delta": r"$\|\Delta W\|\,/\,\|W\|$",
    "bf16_unchanged": "entries of $W_{LoX}$ that\nbfloat16 rounds back",
}


def plot_spectra(
    reports: Sequence[MatrixReport],
    spectra: Mapping[str, Sequence[float]],
    k: int,
    title: str,
    out: Path,
) -> bool:
    """Singular values over their largest, one panel a projection type, one line a layer.

    ``spectra`` maps tensor names to descending singular values. Nothing is drawn without blocks.
    """
    linear = [report for report in reports if report.is_linear and spectra.get(report.tensor)]
    kinds = _kinds(linear)
    if not kinds:
        return False
    last = max(report.layer or 0 for report in linear)
    rows = math.ceil(len(kinds) / _PANELS_A_ROW)
    columns = min(len(kinds), _PANELS_A_ROW)
    figure = Figure(figsize=(3.1 * columns + 1.0, 2.7 * rows + 0.8), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).flatten()
    colours = mpl.colormaps[_LAYER_COLOURS]
    for axes, kind in zip(panels, kinds, strict=False):
        for report in linear:
            if report.projection == kind:
                colour = colours((report.layer or 0) / max(last, 1))
                _line(axes, spectra[report.tensor], colour)
        axes.axvline(k, color="#D55E00", linewidth=1, linestyle="--")
        axes.set_title(kind, fontsize=10)
        axes.set_xlabel("index of the singular value", fontsize=8)
    for axes in panels[len(kinds) :]:
        axes.set_axis_off()
    panels[0].set_ylim(1e-3, 1.3)
    for row in range(rows):
        panels[row * columns].set_ylabel(r"$\sigma_i / \sigma_1$")
    shades = mpl.cm.ScalarMappable(mpl.colors.Normalize(0, last), colours)
    ticks = MaxNLocator(integer=True)
    figure.colorbar(shades, ax=panels.tolist(), label="layer", shrink=0.8, ticks=ticks)
    figure.suptitle(f"{title} (dashed: k = {k})", fontsize=11)
    save_figure(figure, out)
    return True


def plot_heatmaps(reports: Sequence[MatrixReport], title: str, out: Path) -> bool:
    """Every measure that was taken, as layer x projection type; experts are averaged."""
    linear = [report for report in reports if report.is_linear]
    shown = [name for name in PANELS if any(getattr(r, name) is not None for r in linear)]
    if not shown:
        return False
    kinds, layers = _kinds(linear), sorted({report.layer or 0 for report in linear})
    columns = len(shown) if len(shown) <= _PANELS_A_ROW else math.ceil(len(shown) / 2)
    rows = math.ceil(len(shown) / columns)
    height = min(0.13 * len(layers) + 1.8, 6.0)
    size = (columns * (0.34 * len(kinds) + 2.0), rows * height + 0.5)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes, name in zip(panels, shown, strict=False):
        grid = np.array([[_cell(linear, layer, kind, name) for kind in kinds] for layer in layers])
        low, high = np.nanquantile(grid, _SHOWN)  # one odd layer must not hide the others
        image = axes.imshow(
            grid,
            aspect="auto",
            cmap="cividis",
            origin="lower",
            vmin=low,
            vmax=high,
            interpolation="nearest",
        )
        axes.set_xticks(range(len(kinds)), kinds, rotation=45, ha="right", fontsize=7)
        ticks = range(0, len(layers), max(1, len(layers) // 6))
        axes.set_yticks(list(ticks), [str(layers[tick]) for tick in ticks], fontsize=7)
        axes.set_ylabel("layer", fontsize=8)
        axes.set_title(PANELS[name], fontsize=9)
        figure.colorbar(image, ax=axes, extend="both").ax.tick_params(labelsize=7)
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    figure.suptitle(title, fontsize=11)
    save_figure(figure, out)
    return True


def _line(axes: Any, sigma: Sequence[float], colour: Any) -> None:
    if sigma[0] > 0:
        shares = [value / sigma[0] for value in sigma]
        axes.loglog(range(1, len(sigma) + 1), shares, color=colour, linewidth=0.9)


def _cell(reports: Sequence[MatrixReport], layer: int, kind: str, measure: str) -> float:
    held = [r for r in reports if (r.layer, r.projection) == (layer, kind)]
    values = [v for v in (getattr(r, measure) for r in held) if v is not None and not math.isnan(v)]
    return sum(values) / len(values) if values else math.nan


def _kinds(reports: Sequence[MatrixReport]) -> list[str]:
    """Projection types in the order in which a block uses them, unknown ones last."""
    found = dict.fromkeys(report.projection for report in reports)
    return sorted(found, key=lambda kind: _ORDER.index(kind) if kind in _ORDER else len(_ORDER))
