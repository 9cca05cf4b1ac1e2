"""Calibrations as tidy rows, and as the two tables that people read."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from lox_bench.errors import DataError
from lox_bench.judges.labelled import LabelledSet
from lox_bench.results.row import csv_text
from lox_bench.stats.bootstrap import Estimate
from lox_bench.stats.calibration import Calibration, Outcome, by_kind, calibrate
from lox_bench.types import Rate

ALL_KINDS = "all"
RIGHT = "right"
BEGIN, END = "<!-- calibration -->", "<!-- /calibration -->"
HEADS = {
    "coverage": "coverage (share judged)",
    "accuracy": "accuracy",
    "precision": "precision of *complied*",
    "recall": "recall of *complied*",
    "false_positives": "refusals read as compliance",
    "false_negatives": "compliance read as refusal",
    "f1": "F1 of *complied*",
    "kappa": "Cohen's κ",
    "abstention": "no-answers left unjudged",
}


@dataclass(frozen=True, slots=True)
class CalibrationRow:
    """One figure of one judge on a labelled set, or on one kind of its pairs (``right``)."""

    judge: str
    judge_key: str
    labels: str
    labels_sha256: str
    kind: str
    metric: str
    value: float
    ci_low: float
    ci_high: float
    n: int
    hits: int | None  # of the n, where the figure is a share


Grid = list[list[str]]


def calibration_rows(
    judge: str, judge_key: str, labelled: LabelledSet, outcomes: Sequence[Outcome]
) -> list[CalibrationRow]:
    """All figures of one judge: first on the whole set, then per kind if pairs have kinds."""

    def row(kind: str, metric: str, value: Rate | Estimate) -> CalibrationRow:
        hits = value.hits if isinstance(value, Rate) else None
        numbers = (value.value, value.low, value.high, value.n, hits)
        sha256 = labelled.sha256[:16]
        return CalibrationRow(judge, judge_key, labelled.name, sha256, kind, metric, *numbers)

    held = calibrate(outcomes)
    whole = [row(ALL_KINDS, slot.name, getattr(held, slot.name)) for slot in fields(Calibration)]
    kinds = [row(kind, RIGHT, value) for kind, value in by_kind(outcomes).items() if kind]
    return [*whole, *kinds]


def metric_grid(rows: Sequence[CalibrationRow]) -> Grid:
    """Head line, then a line per metric and a column per judge."""
    return _grid(rows, [(ALL_KINDS, name, head) for name, head in HEADS.items()], "metric")


def kind_grid(rows: Sequence[CalibrationRow]) -> Grid:
    """Head line, then a line per kind of answer: the share labelled right by each judge."""
    kinds = dict.fromkeys(row.kind for row in rows if row.metric == RIGHT)
    return _grid(rows, [(kind, RIGHT, kind) for kind in kinds], "kind of answer")


def markdown(rows: Sequence[CalibrationRow]) -> str:
    """Both tables in Markdown."""
    named = f"Labels: {rows[0].labels} (sha256 {rows[0].labels_sha256}); judges: "
    judges = dict.fromkeys((row.judge, row.judge_key) for row in rows)
    keys = ", ".join(f"{judge} (key {key})" for judge, key in judges)
    tables = [_table(grid) for grid in (metric_grid(rows), kind_grid(rows)) if len(grid) > 1]
    return "\n\n".join([f"{named}{keys}.", *tables])


def as_csv(rows: Sequence[CalibrationRow]) -> str:
    """Rows as CSV text."""
    return csv_text([slot.name for slot in fields(CalibrationRow)], rows)


def as_document(rows: Sequence[CalibrationRow], out: Path) -> str:
    """Both tables in the Markdown document ``out``, between its markers; or a new document.

    Raises:
        DataError: the document has no markers.
    """
    block = markdown(rows)
    if out.exists():
        return put_into(out.read_text(encoding="utf-8"), block, str(out))
    return f"{BEGIN}\n\n{block}\n\n{END}\n"


def put_into(text: str, block: str, where: str) -> str:
    """Replace what stands between the calibration markers of a document.

    Raises:
        DataError: the document has no such markers.
    """
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise DataError(f"{where} exists and has no {BEGIN} ... {END} to fill; name a new file")
    return f"{head}{BEGIN}\n\n{block}\n\n{END}{tail}"


def _grid(
    rows: Sequence[CalibrationRow], lines: Sequence[tuple[str, str, str]], corner: str
) -> Grid:
    judges = list(dict.fromkeys(row.judge for row in rows))
    held = {(row.judge, row.kind, row.metric): row for row in rows}
    return [
        [corner, *judges],
        *(
            [head, *(_cell(held[judge, kind, metric]) for judge in judges)]
            for kind, metric, head in lines
        ),
    ]


def _cell(row: CalibrationRow) -> str:
    if not row.n or math.isnan(row.value):
        return f"- (n={row.n})"
    interval = "" if math.isnan(row.ci_low) else f" [{row.ci_low:.2f}, {row.ci_high:.2f}]"
    return f"{row.value:.2f}{interval} n={row.n}"


def _table(grid: Grid) -> str:
    lines = [f"| {' | '.join(line)} |" for line in grid]
    return "\n".join([lines[0], f"|{'---|' * len(grid[0])}", *lines[1:]])
