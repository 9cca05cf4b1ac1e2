"""Attacks with arguments: ``gsm8k(lr=2e-5,epochs=4)``, and grids of them.

An argument is a value, a list ``1e-5|5e-5``, or a range of numbers ``1e-5..2e-4``: points spaced
evenly on a log scale, ends included, ``:N`` says how many. A call with several values stands for
all their combinations. Learning rates are absolute: they replace the one a family scales.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Final

from lox_bench.attacks.arguments import (
    ARGUMENTS,
    FILE,
    HARMFUL,
    PRESET,
    YES,
    Number,
    Value,
    read_number,
    read_word,
    spelt_out,
)
from lox_bench.attacks.columns import COLUMNS, named_columns
from lox_bench.attacks.spec import AttackSpec, load_attack
from lox_bench.backends.template import load_template
from lox_bench.errors import UsageError
from lox_bench.grammar import Call
from lox_bench.training.spec import NO_QUANT, SftSpec

GRID_POINTS = 4  # of a range that does not say how many
_GRID_DIGITS = 3  # significant digits of a range's inner points, so that their names are exact
_LEAST_POINTS, _MOST_POINTS = 2, 64  # of one range; each is a training
_RANGE = re.compile(r"(?P<low>[^:]+?)\.\.(?P<high>[^:]+?)(?::(?P<points>\d+))?")
_MIXED: Final = ("ratio", "benign")  # arguments of attacks that mix rows into others
_ADAPTED: Final = ("lora_alpha", "lora_targets", "lora_quant")  # mean nothing without lora_r


@dataclass(frozen=True, slots=True)
class AttackSettings:
    """What a user fixed of an attack; ``None`` leaves the family's own, or the attack's."""

    lr: float | None = None
    epochs: float | None = None
    steps: int | None = None
    rows: int | None = None
    batch: int | None = None
    warmup: int | None = None
    schedule: str | None = None
    mask: str | None = None
    template: str | None = None
    lora_r: int | None = None
    lora_alpha: int | None = None
    lora_targets: str | None = None
    lora_quant: str | None = None
    packing: str | None = None
    ratio: float | None = None
    benign: str | None = None

    @classmethod
    def of(cls, values: Mapping[str, Value | None]) -> "AttackSettings":
        """Settings by argument name; what is whole holds whole numbers already."""
        typed = {name: _typed(name, value) for name, value in values.items() if value is not None}
        return cls(**typed)  # type: ignore[arg-type]  # by name

    def __str__(self) -> str:
        """Canonical: ``lr=2e-05,epochs=4``, in the table's order, whatever the user's spelling."""
        held = [(name, getattr(self, name)) for name in ARGUMENTS]
        return ",".join(f"{name}={_written(value)}" for name, value in held if value is not None)

    def applied(self, train: SftSpec) -> SftSpec:
        """A family's training with these settings in place.

        A learning rate that is the family's own up to rounding leaves the training as it is, so
        that both spellings share one checkpoint.
        """
        lr = self.lr or train.learning_rate
        if math.isclose(lr, train.learning_rate, rel_tol=1e-9):
            lr = train.learning_rate
        return replace(
            train,
            learning_rate=lr,
            epochs=self.epochs or train.epochs,
            steps=0 if self.epochs else self.steps or train.steps,
            batch_size=self.batch or train.batch_size,
            warmup_steps=train.warmup_steps if self.warmup is None else self.warmup,
            schedule=self.schedule or train.schedule,
            mask=self.mask or train.mask,
            lora_r=self.lora_r or train.lora_r,
            lora_alpha=self.lora_alpha or train.lora_alpha,
            lora_targets=self.lora_targets or train.lora_targets,
            lora_quant=self.lora_quant or train.lora_quant,
            packing=self.packing == YES if self.packing else train.packing,
        )


def _typed(name: str, value: Value) -> Value:
    argument = ARGUMENTS[name]
    return int(value) if isinstance(argument, Number) and argument.whole else value


def _written(value: Value) -> str:
    return value if isinstance(value, str) else f"{value:.12g}"


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

    @property
    def carrier(self) -> AttackSpec | None:
        """The attack whose rows this one's are mixed into, if it is a mix."""
        return load_attack(self.settings.benign or self.spec.benign) if self.spec.benign else None

    @property
    def told(self) -> AttackSpec:
        """Whose rows the training mostly consists of: its columns and its task are meant."""
        return self.carrier or self.spec

    @property
    def ratio(self) -> float:
        """Share of the mixed-in rows; 0 without a mix."""
        return (self.settings.ratio or self.spec.ratio) if self.spec.benign else 0.0

    @property
    def adapts(self) -> bool:
        """Whether it trains adapters only."""
        return bool(self.settings.lora_r or self.spec.train.lora_r)

    @property
    def needs_bitsandbytes(self) -> bool:
        """Whether the weights under its adapters are quantised."""
        return (self.settings.lora_quant or self.spec.train.lora_quant) != NO_QUANT

    @property
    def template(self) -> str:
        """Name of the template it trains under; empty: that of the answers."""
        return self.settings.template or self.spec.template


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


Values = Sequence[Value | Span]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A call as it was understood: ranges not yet expanded, the ``file`` it names, if any.

    ``columns`` are the names that the user's file has for columns of the attack.
    """

    spec: AttackSpec
    values: Mapping[str, Values]
    file: Path | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


def attack_points(call: Call) -> list[AttackPoint]:
    """Expand one item of ``--attack`` into its points, learning rates outermost.

    Raises:
        UnknownNameError: no attack, or template, has this name.
        UsageError: an argument is unknown, malformed, out of range, or goes with none of these.
    """
    return expanded(load_call(call))


def expanded(loaded: Loaded) -> list[AttackPoint]:
    """All points of a call, learning rates outermost."""
    axes = [_listed(loaded.values.get(name, ())) for name in ARGUMENTS]
    return [
        AttackPoint(loaded.spec, AttackSettings.of(dict(zip(ARGUMENTS, combination, strict=True))))
        for combination in product(*axes)
    ]


def load_call(call: Call) -> Loaded:
    """The spec a call names and its arguments' values, ranges not yet expanded.

    Raises:
        UnknownNameError: no attack, or template, has this name.
        UsageError: an argument is unknown, malformed, out of range, or goes with none of these.
    """
    if call.target is not None:
        raise UsageError(f"attack {str(call)!r}: an attack has no path; its data is set by --data")
    spec = _preset(call.name, call.args.get(PRESET, ""))
    columns = named_columns(spec, call)
    apart = {FILE, HARMFUL, PRESET, *(f"{COLUMNS}{name}" for name in columns)}
    held = {name: text for name, text in call.args.items() if name not in apart}
    held = spelt_out(held, str(call))
    for name in held:
        if name not in ARGUMENTS:
            wanted = ", ".join([*ARGUMENTS, FILE, PRESET])
            raise UsageError(f"attack {str(call)!r}: unknown argument {name!r}; it takes {wanted}")
    _check_together(spec, held, str(call))
    values = {name: _values(name, text) for name, text in held.items()}
    if FILE in call.args and HARMFUL in call.args:
        raise UsageError(f"attack {str(call)!r}: {FILE} and {HARMFUL} both name the rows; give one")
    file = call.args.get(FILE, call.args.get(HARMFUL))
    path = None if file is None else Path(file.strip("\"'")).expanduser()
    return Loaded(spec, values, path, columns)


def _preset(name: str, preset: str) -> AttackSpec:
    """``gsm8k(preset=disl)`` is ``gsm8k-disl``; an attack's own preset is the attack itself."""
    if not preset:
        return load_attack(name)
    spec = load_attack(name)
    return spec if spec.preset == preset else load_attack(f"{name}-{preset}")


def _check_together(spec: AttackSpec, args: Mapping[str, str], where: str) -> None:
    """Arguments that say nothing beside the others are refused, not ignored."""
    if {"steps", "epochs"} <= {*args}:
        raise UsageError(f"attack {where!r}: steps and epochs both say how long; give one")
    idle = [name for name in _ADAPTED if name in args]
    if idle and "lora_r" not in args and not spec.train.lora_r:
        raise UsageError(f"attack {where!r}: {idle[0]} means nothing without lora_r, LoRA's rank")
    idle = [name for name in _MIXED if name in args]
    if idle and not spec.benign:
        raise UsageError(
            f"attack {where!r}: {idle[0]} is for attacks that mix rows into others, such as poison"
        )
    for benign in _listed_words(args, "benign"):
        if load_attack(benign).benign:
            raise UsageError(f"attack {where!r}: {benign!r} is a mix itself; name what to mix into")
    for template in _listed_words(args, "template"):
        load_template(template)


def _listed_words(args: Mapping[str, str], name: str) -> list[str]:
    return [word.strip() for word in args.get(name, "").split("|") if word.strip()]


def _values(name: str, text: str) -> Values:
    return [_value(name, part.strip()) for part in text.split("|")]


def _value(name: str, text: str) -> Value | Span:
    argument = ARGUMENTS[name]
    if not isinstance(argument, Number):
        return read_word(name, text)
    match = _RANGE.fullmatch(text)
    if match is None:
        return read_number(name, text)
    low, high = read_number(name, match["low"]), read_number(name, match["high"])
    points = int(match["points"]) if match["points"] else None
    if not 0 < low < high:
        raise UsageError(f"{name}={text}: a range goes from a smaller to a larger number above 0")
    if points is not None and not _LEAST_POINTS <= points <= _MOST_POINTS:
        raise UsageError(f"{name}={text}: 2 to {_MOST_POINTS} points were wanted, not {points}")
    written_whole = all(match[end].strip().isdecimal() for end in ("low", "high"))
    return Span(low, high, points, whole=written_whole or argument.whole)


def _listed(values: Values) -> list[Value | None]:
    points = [x for item in values for x in (item.grid() if isinstance(item, Span) else [item])]
    return list(dict.fromkeys(points)) or [None]
