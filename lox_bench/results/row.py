"""A leaderboard row, and CSV files of them: written tidy, read back with every column checked."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

from lox_bench.errors import DataError
from lox_bench.types import Rate


@dataclass(frozen=True, slots=True)
class Row:
    """One number with its interval, its n, and the hashes it depends on.

    ``model`` is the variant before the attack; ``n`` counts judged answers, ``unjudged`` the rest,
    ``coverage`` is the judged share, in [0, 1]. Losses are of the attack's own training rows,
    before and after it. ``valid`` says whether the attack may be used to compare defences (yes, no;
    empty without an attack), else ``invalid_reason`` why not. ``hits`` of the ``n`` make the value
    (complied, refused, right ...); ``None`` where it is no share but a mean. ``model_key`` is that
    of the weights; ``seed`` is what alignment and attack were both asked to use.
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

    @property
    def rate(self) -> Rate:
        """The number with its interval; exact where ``hits`` are known, whatever a file rounded."""
        value = self.value if self.hits is None or not self.n else self.hits / self.n
        return Rate(value, self.ci_low, self.ci_high, self.n, self.unjudged, self.hits)


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
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or [])]
    if missing:
        raise DataError(f"{path} is no leaderboard: it lacks the column {missing[0]!r}")
    rows = [_read(plain, f"{path}, line {number}") for number, plain in enumerate(reader, start=2)]
    if not rows:
        raise DataError(f"{path} holds no rows")
    return rows


def _written(value: object) -> object:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value


def _read(plain: dict[str, str], where: str) -> Row:
    hints = get_type_hints(Row)
    values: dict[str, Any] = {}
    for name in COLUMNS:
        try:
            values[name] = _value(plain[name], hints[name])
        except (TypeError, ValueError) as error:
            raise DataError(f"{where}: {name} cannot be {plain[name]!r}") from error
    row = Row(**values)
    if row.hits is not None and row.n and abs(row.hits / row.n - row.value) > _ROUNDING:
        raise DataError(f"{where}: {row.hits} hits of {row.n} are not the value {row.value}")
    return row


def _value(text: str, hint: Any) -> object:
    if hint in (str, int, float):
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
