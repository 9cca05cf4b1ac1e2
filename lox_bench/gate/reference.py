"""References: a run's rows, and its outcomes prompt by prompt, kept under a name."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from lox_bench.compare.outcomes import (
    OutcomeKey,
    Outcomes,
    is_share,
    outcomes_from_csv,
    outcomes_to_csv,
    read_outcomes,
)
from lox_bench.errors import DataError, StoreError, UnknownNameError, UsageError
from lox_bench.files import write_text
from lox_bench.results.row import Row, read_csv, to_csv
from lox_bench.results.run import Run

_OUTCOMES = ".outcomes.csv"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Reference:
    """Rows to hold a run against; ``outcomes`` make the comparison paired, where it has them."""

    name: str
    rows: Sequence[Row]
    outcomes: Outcomes | None


def load_reference(name: str) -> Reference:
    """Read ``DIR/NAME.csv`` (the suffix may be left out), or the packaged reference ``name``.

    Raises:
        UnknownNameError: it is neither a file nor packaged.
        DataError: it cannot be read, or its outcomes are not those of its rows.
    """
    file = Path(name).expanduser()
    for candidate in (file, file.with_name(f"{file.name}.csv")):
        if candidate.suffix == ".csv" and (candidate.is_file() or candidate == file):
            return _read(candidate)
    if name not in reference_names():
        raise UnknownNameError("reference", name, [*reference_names(), "DIR/NAME.csv"])
    with resources.as_file(resources.files("lox_bench.assets.results")) as folder:
        return _read(folder / f"{name}.csv")


def reference_names() -> list[str]:
    """Names of the packaged references."""
    files = [entry.name for entry in resources.files("lox_bench.assets.results").iterdir()]
    return sorted(
        name.removesuffix(".csv")
        for name in files
        if name.endswith(".csv") and not name.endswith(_OUTCOMES)
    )


def write_reference(run: Run, name: str, folder: Path, *, force: bool = False) -> list[Path]:
    """Write a run's rows and outcomes as a reference; the files are returned.

    Raises:
        UsageError: the name is no file name, or taken and ``force`` not given.
        StoreError: the folder cannot be written.
    """
    if not _NAME.fullmatch(name) or name.endswith(".csv"):
        raise UsageError(f"--name wants letters, digits, '.', '_' or '-', not {name!r}")
    files = [folder / f"{name}.csv", folder / f"{name}{_OUTCOMES}"]
    taken = [str(file) for file in files if file.exists()]
    if taken and not force:
        raise UsageError(f"{taken[0]} exists; --force replaces it")
    texts = [to_csv(run.rows), outcomes_to_csv(read_outcomes(run))]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in zip(files, texts, strict=True):
            write_text(file, text)
    except OSError as error:
        raise StoreError(f"--dir {folder} cannot be written ({error.strerror})") from error
    return files


def _read(file: Path) -> Reference:
    rows = read_csv(file)
    beside = file.with_name(f"{file.stem}{_OUTCOMES}")
    outcomes = outcomes_from_csv(beside) if beside.is_file() else None
    if outcomes is not None:
        for row in filter(is_share, rows):
            _check(row, outcomes, beside)
    return Reference(file.stem, rows, outcomes)


def _check(row: Row, outcomes: Outcomes, file: Path) -> None:
    name = OutcomeKey.of(row)
    answers = outcomes.get(name, {}).get(row.seed, {}).values()
    judged = [hit for hit in answers if hit is not None]
    counted = (sum(judged), len(judged), len(answers))
    if counted != (row.hits, row.n, row.n + row.unjudged):
        raise DataError(
            f"{file} does not belong to {file.name.removesuffix(_OUTCOMES)}.csv: {name.title}, "
            f"seed {row.seed} differs; write both again with `lox-bench baseline`"
        )
