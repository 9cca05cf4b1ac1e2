"""Write what the judges of a run agree on, and a file of what they do not, into its folder."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from lox_bench.codec import write_records
from lox_bench.errors import StoreError
from lox_bench.files import write_text
from lox_bench.report.disagreements import Disputed, disputed, page
from lox_bench.results.agreement import LABELS, Agreement, agreement, disagreements
from lox_bench.results.row import csv_text
from lox_bench.results.run import Run
from lox_bench.stats.bootstrap import Estimate
from lox_bench.types import Rate

FOLDER = "agreement"
ALL_JUDGES = "all"


@dataclass(frozen=True, slots=True)
class AgreementRow:
    """One statistic of two judges, or of all of them (alpha), on one task."""

    task: str
    statistic: str
    judge_a: str
    judge_b: str
    value: float
    ci_low: float
    ci_high: float
    n: int


@dataclass(frozen=True, slots=True)
class ConfusionRow:
    """How many answers got these two labels from these two judges."""

    task: str
    judge_a: str
    judge_b: str
    label_a: str
    label_b: str
    count: int


def agreement_rows(agreements: Sequence[Agreement]) -> list[AgreementRow]:
    """Agreements as tidy rows: raw agreement and kappa per pair, alpha over all judges."""
    return [row for held in agreements for row in _rows(held)]


def write_agreement(run: Run) -> list[Agreement]:
    """Write ``agreement/`` into a run's folder; nothing without two judges on one task.

    It holds ``agreement.csv``, ``confusion.csv``, and the disputed answers as
    ``disagreements.jsonl`` (for programs) and ``disagreements.md`` (for people).

    Raises:
        DataError: the run's verdicts do not fit its answers.
        StoreError: the folder cannot be written.
    """
    held = agreement(run)
    if held:
        found = disputed(run, disagreements(run))
        try:
            _write(run, held, found)
        except OSError as error:
            raise StoreError(f"{run.path / FOLDER} cannot be written ({error.strerror})") from error
    return held


def _write(run: Run, held: Sequence[Agreement], found: Sequence[Disputed]) -> None:
    folder = run.path / FOLDER
    folder.mkdir(exist_ok=True)
    write_text(folder / "agreement.csv", _csv(AgreementRow, agreement_rows(held)))
    write_text(folder / "confusion.csv", _csv(ConfusionRow, list(_confusion(held))))
    write_records(folder / "disagreements.jsonl", (item.record for item in found))
    write_text(page_file(run), page(run, found))


def page_file(run: Run) -> Path:
    """Where the disputed answers can be read."""
    return run.path / FOLDER / "disagreements.md"


def _csv(cls: type, records: Sequence[object]) -> str:
    return csv_text([slot.name for slot in fields(cls)], records)


def _rows(held: Agreement) -> Iterator[AgreementRow]:
    for pair in held.pairs:
        yield _row(held.task, "agreement", pair.judges, pair.agreement)
        yield _row(held.task, "cohen_kappa", pair.judges, pair.kappa)
    yield _row(held.task, "krippendorff_alpha", (ALL_JUDGES, ""), held.alpha)


def _row(task: str, name: str, judges: tuple[str, str], value: Rate | Estimate) -> AgreementRow:
    return AgreementRow(task, name, *judges, value.value, value.low, value.high, value.n)


def _confusion(agreements: Sequence[Agreement]) -> Iterator[ConfusionRow]:
    for held in agreements:
        for pair in held.pairs:
            for i, a in enumerate(LABELS):
                for j, b in enumerate(LABELS):
                    yield ConfusionRow(held.task, *pair.judges, a, b, pair.table[i][j])
