"""Hit or miss, prompt by prompt: what every number of a leaderboard is a share of.

They belong to one model under one attack, measured once (task, judge, metric), over its seeds, are
what paired statistics work on, and what a reference keeps beside its rates: no text, one character
per answer.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lox_bench.errors import DataError
from lox_bench.results.cells import as_cells, of_cell
from lox_bench.results.hits import hits_of
from lox_bench.results.leaderboard import SCORE_METRICS
from lox_bench.results.row import Row
from lox_bench.results.run import Run, VariantName
from lox_bench.stats.pairs import Hits

_SIGNS: Mapping[bool | None, str] = {True: "1", False: "0", None: "?"}
_ABSENT = "-"  # not asked under this seed
_COLUMNS = ("model", "attack", "task", "judge", "metric", "prompt", "seeds", "outcomes")


@dataclass(frozen=True, slots=True, order=True)
class Measure:
    """What was measured, and by whom."""

    task: str
    judge: str
    metric: str

    @classmethod
    def of(cls, row: Row) -> "Measure":
        """The measure a leaderboard row reports."""
        return cls(row.task, row.judge, row.metric)

    def __str__(self) -> str:
        """``asr on harmful by keyword-prefix``."""
        return f"{self.metric} on {self.task} by {self.judge}"


@dataclass(frozen=True, slots=True)
class OutcomeKey:
    """What outcomes belong to: a model (before the attack), the attack, the measure."""

    model: str
    attack: str
    measure: Measure

    @classmethod
    def of(cls, row: Row) -> "OutcomeKey":
        """The outcomes behind a leaderboard row."""
        return cls(row.model, row.attack, Measure.of(row))

    @property
    def title(self) -> str:
        """``aligned+gsm8k: asr on harmful by keyword-prefix``."""
        return f"{VariantName(self.model, self.attack, 0).title}: {self.measure}"


Outcomes = Mapping[OutcomeKey, Hits]


def read_outcomes(run: Run) -> Outcomes:
    """Outcomes behind every rate of a run, read from its verdicts and completions.

    Rows of judges' scores (harmfulness, ...) are no shares of hits and have none.

    Raises:
        DataError: a file that the rows rest on cannot be read.
    """
    found: dict[OutcomeKey, dict[int, Mapping[str, bool | None]]] = {}
    for row in (row for row in run.rows if is_share(row)):
        found.setdefault(OutcomeKey.of(row), {})[row.seed] = hits_of(run, row)
    return found


def is_share(row: Row) -> bool:
    """Whether outcomes stand behind a row: it counts labels, defects, right answers; not scores."""
    return row.hits is not None and row.metric not in SCORE_METRICS


def outcomes_to_csv(outcomes: Outcomes) -> str:
    """A line per measured model and prompt; ``outcomes``: 1, 0 or ? (unjudged) for each seed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for name, hits in outcomes.items():
        seeds = sorted(hits)
        measure = name.measure
        head = (name.model, name.attack, measure.task, measure.judge, measure.metric)
        for prompt in dict.fromkeys(prompt for seed in seeds for prompt in hits[seed]):
            signs = (
                _SIGNS[hits[seed][prompt]] if prompt in hits[seed] else _ABSENT for seed in seeds
            )
            writer.writerow([*as_cells((*head, prompt)), " ".join(map(str, seeds)), "".join(signs)])
    return text.getvalue()


def outcomes_from_csv(path: Path) -> Outcomes:
    """Read what ``outcomes_to_csv`` wrote.

    Raises:
        DataError: it cannot be read, or a line is not of that form (its number is given).
    """
    try:
        reader = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error})") from error
    found: dict[OutcomeKey, dict[int, dict[str, bool | None]]] = {}
    for number, line in enumerate(reader, start=2):
        try:
            measure = Measure(*(of_cell(line[key]) for key in ("task", "judge", "metric")))
            hits = found.setdefault(
                OutcomeKey(of_cell(line["model"]), of_cell(line["attack"]), measure), {}
            )
            for seed, hit in _parse(line["seeds"], line["outcomes"]):
                hits.setdefault(seed, {})[of_cell(line["prompt"])] = hit
        except (KeyError, ValueError, AttributeError) as error:
            raise DataError(f"{path}, line {number}: no outcomes ({error})") from error
    return found


def _parse(seeds: str, signs: str) -> Sequence[tuple[int, bool | None]]:
    values = {sign: hit for hit, sign in _SIGNS.items()}
    pairs = zip(map(int, seeds.split()), signs, strict=True)
    return [(seed, values[sign]) for seed, sign in pairs if sign != _ABSENT]
