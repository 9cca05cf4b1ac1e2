"""Attacks with arguments: ``gsm8k(lr=2e-5,epochs=4)``, and grids of them.

An argument is a number, a list ``1e-5|5e-5``, or a range ``1e-5..2e-4``: points spaced evenly on a
log scale, ends included, ``:N`` says how many. A call with several values stands for all their
combinations. Learning rates are absolute: they replace the one a family scales.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

from lox_bench.attacks.spec import AttackSpec, load_attack
from lox_bench.errors import UsageError
from lox_bench.grammar import Call
from lox_bench.training.spec import TrainSpec

GRID_POINTS = 4  # of a range that does not say how many
_GRID_DIGITS = 3  # significant digits of a range's inner points, so that their names are exact
_LEAST_POINTS, _MOST_POINTS = 2, 64  # of one range; each is a training
_RANGE = re.compile(r"(?P<low>[^:]+?)\.\.(?P<high>[^:]+?)(?::(?P<points>\d+))?")

ARGUMENTS: Final[Mapping[str, str]] = {
    "lr": "peak learning rate, above 0 and at most 1",
    "epochs": "passes over the rows, above 0",
    "rows": "training rows, a whole number",
    "batch": "rows per optimiser step, a whole number",
}
_WHOLE = ("rows", "batch")
SEARCHED = ("lr", "epochs")


@dataclass(frozen=True, slots=True)
class AttackSettings:
    """What a user fixed of an attack's training; ``None`` leaves the family's own."""

    lr: float | None = None
    epochs: float | None = None
    rows: int | None = None
    batch: int | None = None

    @classmethod
    def of(cls, values: Mapping[str, float | None]) -> "AttackSettings":
        """Settings by argument name; ``rows`` and ``batch`` hold whole numbers already."""
        rows, batch = values.get("rows"), values.get("batch")
        return cls(
            lr=values.get("lr"),
            epochs=values.get("epochs"),
            rows=None if rows is None else int(rows),
            batch=None if batch is None else int(batch),
        )

    def __str__(self) -> str:
        """Canonical: ``lr=2e-05,epochs=4``, in this order, whatever the user's spelling."""
        held = [(name, getattr(self, name)) for name in ARGUMENTS]
        return ",".join(f"{name}={value:.12g}" for name, value in held if value is not None)

    def applied(self, train: TrainSpec) -> TrainSpec:
        """A family's training with these settings in place.

        A learning rate that is the family's own up to rounding leaves the training as it is, so
        that both spellings share one checkpoint. Micro-batches divide the batch, never exceeding
        the family's.
        """
        lr = self.lr or train.learning_rate
        if math.isclose(lr, train.learning_rate, rel_tol=1e-9):
            lr = train.learning_rate
        batch, micro = self.batch or train.batch_size, train.micro_batch_size
        if self.batch:
            micro = max(size for size in range(1, min(micro, batch) + 1) if batch % size == 0)
        return replace(
            train,
            learning_rate=lr,
            epochs=self.epochs or train.epochs,
            batch_size=batch,
            micro_batch_size=micro,
        )


@dataclass(frozen=True, slots=True)
class AttackPoint:
    """One attack at one strength: a cell of the plan per model and seed."""

    spec: AttackSpec
    settings: AttackSettings = AttackSettings()

    @property
    def name(self) -> str:
        """``gsm8k``, or ``gsm8k(lr=2e-05,epochs=4)``."""
        inner = str(self.settings)
        return f"{self.spec.name}({inner})" if inner else self.spec.name


@dataclass(frozen=True, slots=True)
class Span:
    """A range of one argument; a ``whole`` one holds whole numbers only."""

    low: float
    high: float
    points: int | None
    whole: bool

    def holds(self, value: float) -> bool:
        """Whether ``value`` lies in the range (and is whole where it must be)."""
        fits = float(value).is_integer() or not self.whole
        return fits and self.low * (1 - 1e-9) <= value <= self.high * (1 + 1e-9)

    def grid(self) -> list[float]:
        """The ends and log-spaced points between them; whole ranges give whole, distinct ones."""
        count = self.points or GRID_POINTS
        ratio = self.high / self.low
        inner = [self.low * ratio ** (i / (count - 1)) for i in range(1, count - 1)]
        digits = [round(x) if self.whole else float(f"{x:.{_GRID_DIGITS}g}") for x in inner]
        return list(dict.fromkeys([self.low, *digits, self.high]))


Values = Sequence[float | Span]


def attack_points(call: Call) -> list[AttackPoint]:
    """Expand one item of ``--attack`` into its points, learning rates outermost.

    Raises:
        UnknownNameError: no attack has this name.
        UsageError: an argument is unknown, malformed or out of range.
    """
    spec, values = load_call(call)
    axes = [_listed(values.get(name, ())) for name in ARGUMENTS]
    return [
        AttackPoint(spec, AttackSettings.of(dict(zip(ARGUMENTS, combination, strict=True))))
        for combination in product(*axes)
    ]


def load_call(call: Call) -> tuple[AttackSpec, Mapping[str, Values]]:
    """The spec a call names and its arguments' values, ranges not yet expanded.

    Raises:
        UnknownNameError: no attack has this name.
        UsageError: an argument is unknown, malformed or out of range.
    """
    if call.target is not None:
        raise UsageError(f"attack {str(call)!r}: an attack has no path; its data is set by --data")
    spec = load_attack(call.name)
    for name in call.args:
        if name not in ARGUMENTS:
            wanted = ", ".join(ARGUMENTS)
            raise UsageError(f"attack {str(call)!r}: unknown argument {name!r}; it takes {wanted}")
    return spec, {name: _values(name, text) for name, text in call.args.items()}


def _values(name: str, text: str) -> Values:
    return [_value(name, part.strip()) for part in text.split("|")]


def _value(name: str, text: str) -> float | Span:
    match = _RANGE.fullmatch(text)
    if match is None:
        return _number(name, text)
    low, high = _number(name, match["low"]), _number(name, match["high"])
    points = int(match["points"]) if match["points"] else None
    if not low < high:
        raise UsageError(f"{name}={text}: a range goes from a smaller to a larger number")
    if points is not None and not _LEAST_POINTS <= points <= _MOST_POINTS:
        raise UsageError(f"{name}={text}: 2 to {_MOST_POINTS} points were wanted, not {points}")
    written_whole = all(match[end].strip().isdecimal() for end in ("low", "high"))
    return Span(low, high, points, whole=written_whole or name in _WHOLE)


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    most = 1.0 if name == "lr" else math.inf
    if not 0 < value <= most or math.isinf(value) or (name in _WHOLE and not value.is_integer()):
        raise UsageError(
            f"{name}={text}: {ARGUMENTS[name]} was wanted, or a list 1|2, or a range 1..4 or 1..4:3"
        )
    return value


def _listed(values: Values) -> list[float | None]:
    points = [x for item in values for x in (item.grid() if isinstance(item, Span) else [item])]
    return list(dict.fromkeys(points)) or [None]
