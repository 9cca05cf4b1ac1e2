"""How figures for a paper or for slides look: sizes in inches, type in points, forms in grey.

Widths are those of a column and of a page of the usual two-column styles (ACL, ICML, IEEE: 3.25 to
3.5 and 6.75 to 7.1 in). Colours are Okabe and Ito's, told apart by the colour-blind; forms differ
too, so that a grey print loses nothing.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

mpl.use("Agg")

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lox_bench.errors import StoreError, UsageError
from lox_bench.report.forms import Style

_MAKER: Final = "lox-bench"
_COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9")
_FORMS: Final = "sD^vPX<>"
_EM: Final = 0.6  # mean width of a letter, in its size
_KEY: Final = 0.45  # inches beside a legend's text at 8 points


@dataclass(frozen=True, slots=True)
class Look:
    """Widths of a column and of a page in inches, text and its smallest size in points."""

    column: float
    page: float
    text: float
    small: float

    @property
    def unit(self) -> float:
        """Inches from line to line of text."""
        return 1.45 * self.text / 72

    @contextmanager
    def used(self) -> Iterator[None]:
        """Draw and save figures within this: type is embedded as outlines or TrueType."""
        settings = {
            "font.size": self.text,
            "axes.titlesize": self.text,
            "axes.labelsize": self.text,
            "xtick.labelsize": self.small,
            "ytick.labelsize": self.small,
            "legend.fontsize": self.small,
            "axes.linewidth": self.text / 13,
            "pdf.fonttype": 42,
            "svg.hashsalt": _MAKER,
        }
        with mpl.rc_context(settings):
            yield

    def width(self, panels: int) -> float:
        """A column for one panel, a page for several."""
        return self.column if panels == 1 else self.page

    def legend(self, figure: Figure, handles: Sequence[Line2D]) -> None:
        """A legend below, in as many columns as its texts leave room for."""
        longest = max(len(str(handle.get_label())) for handle in handles)
        one = longest * _EM * self.small / 72 + _KEY * self.small / 7
        figure.legend(
            handles=list(handles),
            loc="outside lower center",
            ncols=max(1, min(len(handles), int(figure.get_figwidth() / one))),
            frameon=False,
            handletextpad=0.3,
            columnspacing=1.0,
        )


LOOKS: Final = {
    Style.PAPER: Look(column=3.3, page=6.9, text=8, small=7),
    Style.SLIDES: Look(column=6.4, page=12.6, text=18, small=14),
}


def mark(number: int) -> dict[str, Any]:
    """Colour and form of the series of that number; the first is a black circle."""
    if number == 0:
        return {"color": "#000000", "marker": "o"}
    at = number - 1
    return {"color": _COLOURS[at % len(_COLOURS)], "marker": _FORMS[at % len(_FORMS)]}


def bare(axes: Any) -> None:
    """No box, a faint grid of values."""
    axes.grid(axis="x", color="#dddddd", linewidth=0.5)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def save_vector(figure: Figure, folder: Path, stem: str) -> list[Path]:
    """As PDF and SVG of exactly the figure's size; equal figures give equal bytes.

    Raises:
        UsageError: a file is in the way that lox-bench did not make.
        StoreError: it cannot be written.
    """
    files = [folder / f"{stem}.{form}" for form in ("pdf", "svg")]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            if file.exists() and _MAKER.encode() not in file.read_bytes():
                raise UsageError(f"{file} was not made by lox-bench; nothing was overwritten")
        for file, date in zip(files, ("CreationDate", "Date"), strict=True):
            figure.savefig(file, metadata={"Creator": _MAKER, date: None})
    except OSError as error:
        raise StoreError(f"{folder} cannot be written ({error.strerror})") from error
    return files
