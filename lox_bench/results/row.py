"""A leaderboard row, and CSV files of them: written tidy, read back with every column checked."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from math import isinf, isnan
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

from lox_bench.errors import DataError
from lox_bench.names import is_label
from lox_bench.results.cells import as_cell, of_cell
from lox_bench.types import Rate


@dataclass(frozen=True, slots=True)
class Row:
    """One number with its interval, its n, and the hashes it depends on.

    ``model`` is the variant before the attack; ``n`` counts judged answers, ``unjudged`` the rest,
    ``coverage`` is the judged share, in [0, 1]. Losses are of the attack's own training rows,
    before and after it; ``held_out_*`` of rows of its data that nobody trained on. ``valid`` says
    whether the attack may be used to compare defences (yes, no; empty without an attack), else
    ``invalid_reason`` why not. ``hits`` of the ``n`` make the value (complied, refused, right ...);
    ``None`` where it is no share but a mean. ``reads`` says what the judge reads (``refusal``,
    ``content``; empty where no judge decides), ``max_new_tokens`` where answers end. ``model_key``
    is that of the weights; ``seed`` is what alignment and attack were both asked to use.
    ``backend`` answered, computing in ``dtype`` (``served``: somebody else did); ``decoding`` is
    ``greedy`` or says how tokens were drawn.
    """

    family: str
    model: str
    attack: str
    attack_data: str
    task: str
    judge: str
    metric: str
    value: float
    ci_low: float
    ci_high: float
    n: int
    unjudged: int
    seed: int
    model_key: str
    data_sha256: str
    judge_key: str
    template_sha256: str
    loss_before: float | None
    loss_after: float | None
    coverage: float
    valid: str
    invalid_reason: str
    lox_bench: str
    hits: int | None
    align_seed: int
    attack_seed: int
    reads: str
    max_new_tokens: int | None
    held_out_before: float | None
    held_out_after: float | None
    backend: str
    dtype: str
    decoding: str

    @property
    def computed(self) -> str:
        """Back end and type: ``hf bfloat16``."""
        return f"{self.backend} {self.dtype}"

    @property
    def rate(self) -> Rate:
        """The number with its interval; exact where ``hits`` are known, whatever a file rounded."""
        value = self.value if self.hits is None or not self.n else self.hits / self.n
        return Rate(value, self.ci_low, self.ci_high, self.n, self.unjudged, self.hits)


_IDENTITY = (
    "family", "model", "attack", "task", "judge", "metric", "seed", "align_seed", "attack_seed",
    "model_key", "data_sha256", "judge_key", "template_sha256", "backend", "dtype", "decoding",
)  # fmt: skip
_LABELS = (
    "family",
    "model",
    "attack",
    "task",
    "judge",
    "metric",
    "valid",
    "reads",
    "backend",
    "dtype",
    "decoding",
)
_LONGEST_CELL = 100_000  # characters of a line
_ROUNDING = 1e-5  # rates are written to six digits
COLUMNS = tuple(slot.name for slot in fields(Row))


def to_csv(rows: Iterable[Row]) -> str:
    """Rows as CSV text; floats to six digits, absent values empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_written(getattr(row, name)) for name in COLUMNS] for row in rows)
    return text.getvalue()


def read_csv(path: Path) -> list[Row]:
    """Rows of a ``leaderboard.csv``, ours or a committed reference.

    Raises:
        DataError: it cannot be read, a column is missing or ill-typed, or a value is not what its
            hits say (line and name are given).
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise DataError(f"{path} cannot be read ({reason})") from error
    reader = csv.DictReader(io.StringIO(text))
    if _too_long(text):
        raise DataError(f"{path} holds a cell of more than {_LONGEST_CELL} characters")
    try:
        heads = list(reader.fieldnames or [])
    except csv.Error as error:
        raise DataError(f"{path} is no CSV ({error})") from error
    missing = [name for name in COLUMNS if name not in heads]
    if missing:
        raise DataError(f"{path} is no leaderboard: it lacks the column {missing[0]!r}")
    if len(set(heads)) < len(heads):
        raise DataError(f"{path} is no leaderboard: a column comes twice")
    try:
        lines = list(enumerate(reader, start=2))
    except csv.Error as error:
        raise DataError(f"{path} is no CSV ({error})") from error
    rows = [_read(plain, f"{path}, line {number}") for number, plain in lines]
    _require_once(rows, str(path))
    if not rows:
        raise DataError(f"{path} holds no rows")
    return rows


def _written(value: object) -> object:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else as_cell(value)


def _read(plain: dict[str, str], where: str) -> Row:
    hints = get_type_hints(Row)
    if None in plain:
        raise DataError(f"{where}: more cells than columns")
    values: dict[str, Any] = {}
    for name in COLUMNS:
        try:
            values[name] = _value(plain[name], hints[name])
        except (TypeError, ValueError) as error:
            raise DataError(f"{where}: {name} cannot be {plain[name]!r}") from error
    row = Row(**values)
    _require_sane(row, where)
    if row.hits is not None and row.n and abs(row.hits / row.n - row.value) > _ROUNDING:
        raise DataError(f"{where}: {row.hits} hits of {row.n} are not the value {row.value}")
    return row


def _too_long(text: str) -> bool:
    return any(len(line) > _LONGEST_CELL for line in text.split("\n"))


def _require_sane(row: Row, where: str) -> None:
    """Refuse numbers that no run gives."""
    ends = (row.value, row.ci_low, row.ci_high)
    counts = (row.n, row.unjudged, row.hits or 0, row.seed, row.align_seed, row.attack_seed)
    measured = row.n > 0  # without answers the value is no number
    odd = [name for name in _LABELS if not is_label(getattr(row, name))]
    if odd:
        raise DataError(
            f"{where}: {odd[0]}: letters, digits and .()=,+@|/:~*%#&- were wanted, not "
            f"{getattr(row, odd[0])[:60]!a}"
        )
    wrong = {
        "a number is not finite": any(map(isinf, ends)) or (measured and any(map(isnan, ends))),
        "the interval is reversed": row.ci_low > row.ci_high,
        "a count or seed is negative": min(counts) < 0,
        "there are more hits than answers": (row.hits or 0) > row.n,
        "a share lies beyond 0 to 1": measured and row.hits is not None and not _is_share(*ends),
        "the coverage lies beyond 0 to 1": not (isnan(row.coverage) or _is_share(row.coverage)),
    }
    problem = next((problem for problem, holds in wrong.items() if holds), "")
    if problem:
        raise DataError(f"{where}: {problem}")


def _require_once(rows: Sequence[Row], where: str) -> None:
    """One measurement is one row: a second would count twice, or win, in silence."""
    seen: dict[tuple[object, ...], int] = {}
    for number, row in enumerate(rows, start=2):
        asked = row.n + row.unjudged
        key = (*(getattr(row, name) for name in _IDENTITY), asked)
        if key in seen:
            raise DataError(
                f"{where}: lines {seen[key]} and {number} are both {row.metric} on {row.task} by "
                f"{row.judge} of {row.model}, attack {row.attack}, seed {row.seed}"
            )
        seen[key] = number


def _is_share(*values: float) -> bool:
    return all(-_ROUNDING <= value <= 1 + _ROUNDING for value in values)


def _value(text: str | None, hint: Any) -> object:
    if text is None:
        raise ValueError("a cell is missing")
    if hint is str:
        return of_cell(text)
    if hint in (int, float):
        return hint(text)
    (kind,) = (arm for arm in get_args(hint) if arm is not NoneType)
    return kind(text) if text else None


def csv_text(columns: Sequence[str], records: Iterable[Any]) -> str:
    """The named fields of any records as CSV text, its values written as in a leaderboard."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_written(getattr(record, name)) for name in columns] for record in records)
    return text.getvalue()
