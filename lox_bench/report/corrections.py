"""Rates corrected for their judge, beside the raw ones and never in their place."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lox_bench.data.user_file import read_user_text
from lox_bench.errors import DataError, UsageError
from lox_bench.results.metrics import HARM, OVER_REFUSAL, title_of
from lox_bench.results.row import Row
from lox_bench.results.run import VariantName
from lox_bench.results.text_table import TextTable, share
from lox_bench.stats.judge_error import JudgeErrors, corrected

_NOTE = (
    "corrected: Rogan and Gladen's estimate with Lang and Reiczigel's interval, which carries the "
    "uncertainty of the rate and of the judge's error rates. It holds where the judge errs on the "
    "labelled answers as it does on these: labels of another kind of answer correct nothing."
)
_WANTED = ("judge", "judge_key", "labels", "kind", "metric", "n", "hits")
Key = tuple[str, str]  # judge, and what it was when it was calibrated


@dataclass(frozen=True, slots=True)
class Labelled:
    """A judge's errors and the labelled set they were counted on."""

    errors: JudgeErrors
    labels: str

    def of(self, metric: str) -> JudgeErrors:
        """The errors for a metric: over-refusal counts refusals, harm what was not refused."""
        held = self.errors
        if metric == OVER_REFUSAL:
            return JudgeErrors(held.false, held.negatives, held.missed, held.positives)
        return held


def read_judge_errors(path: Path) -> Mapping[Key, Labelled]:
    """Error counts by judge from a CSV of ``lox-bench calibrate --out``.

    Raises:
        DataError: it is none.
    """
    rows = list(csv.DictReader(io.StringIO(read_user_text(path, what="calibration"))))
    if not rows or any(name not in rows[0] for name in _WANTED):
        raise DataError(
            f"{path} is no calibration: columns {', '.join(_WANTED)} were wanted, as "
            "`lox-bench calibrate JUDGE --labels FILE --out NAME.csv` writes them"
        )
    counts: dict[Key, dict[str, tuple[int, int]]] = {}
    labels: dict[Key, str] = {}
    for number, row in enumerate(rows, start=2):
        key = (row["judge"], row["judge_key"])
        if row["kind"] == "all" and row["metric"] in {"false_positives", "false_negatives"}:
            counts.setdefault(key, {})[row["metric"]] = _counts(row, f"{path}, line {number}")
            labels[key] = row["labels"]
    return {
        key: Labelled(JudgeErrors(*held["false_negatives"], *held["false_positives"]), labels[key])
        for key, held in counts.items()
        if len(held) == 2  # noqa: PLR2004 - both kinds of error
    }


def correction_table(rows: Sequence[Row], known: Mapping[Key, Labelled]) -> TextTable:
    """A line per rate of a judge whose errors are known.

    Raises:
        UsageError: no judge of the rows is among them, or only in another version.
    """
    wanted = [row for row in rows if row.metric in (*HARM, OVER_REFUSAL) and row.hits is not None]
    fitting = [row for row in wanted if (row.judge, row.judge_key) in known]
    if not fitting:
        raise UsageError(
            f"none of the judges {', '.join(_names(wanted))} is calibrated there as it judged "
            f"here; the file knows {', '.join(f'{judge} ({key[:8]})' for judge, key in known)}"
        )
    head = ("metric", "model", "seed", "measured (95 %)", "corrected (95 %)", "judge's errors", "n")
    return TextTable(
        "Rates corrected for their judge",
        head,
        tuple(_line(row, known[row.judge, row.judge_key]) for row in fitting),
        _NOTE,
        group=0,
    )


def _line(row: Row, labelled: Labelled) -> tuple[str, ...]:
    errors = labelled.of(row.metric)
    found = corrected(row.rate, errors)
    told = (
        f"none: {found.problem}"
        if found.problem
        else f"{share(found.value)} ({share(found.low)} to {share(found.high)})"
    )
    return (
        f"{title_of(row.metric)}: {row.task}, {row.judge}",
        VariantName.of(row).title,
        str(row.seed),
        f"{share(row.value)} ({share(row.ci_low)} to {share(row.ci_high)})",
        told,
        f"misses {errors.missed}/{errors.positives}, false {errors.false}/{errors.negatives} "
        f"({labelled.labels})",
        str(row.n),
    )


def _names(rows: Iterable[Row]) -> Iterator[str]:
    yield from dict.fromkeys(row.judge for row in rows)


def _counts(row: Mapping[str, str], where: str) -> tuple[int, int]:
    try:
        hits, n = int(row["hits"]), int(row["n"])
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: hits and n must be whole numbers") from error
    if not 0 <= hits <= n:
        raise DataError(f"{where}: {hits} hits of {n}")
    return hits, n
