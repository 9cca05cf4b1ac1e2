"""What a run is held to: one bound a metric, read from TOML."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from lox_bench.codec import parse
from lox_bench.compare.outcomes import OutcomeKey
from lox_bench.errors import SpecError
from lox_bench.registry import packaged_file
from lox_bench.strict_toml import parse_toml, read_toml

LOWER, HIGHER = "lower", "higher"
_DEFAULT = "gate/default.toml"
_LEAST_CONFIDENCE = 0.5


@dataclass(frozen=True, slots=True)
class Bound:
    """How much worse than the reference a metric may be.

    Attributes:
        direction: which way is better, ``lower`` or ``higher``.
        tolerance: absolute, as a share: 0.05 is five points; in (0, 1).
        confidence: of each one-sided statement, in (0.5, 1).
        seed_sd: standard deviation of the metric from seed to seed, as a share, where it is known;
            0 estimates it where both sides have the same seeds, two or more of them.
        model, attack, task, judge: patterns (``*``, ``lox*``) of the rows it binds.
    """

    metric: str
    direction: str
    tolerance: float
    confidence: float = 0.95
    seed_sd: float = 0.0
    model: str = "*"
    attack: str = "*"
    task: str = "*"
    judge: str = "*"

    @property
    def binds_all(self) -> bool:
        """Whether it binds every row of its metric."""
        return {self.model, self.attack, self.task, self.judge} == {"*"}

    def binds(self, name: OutcomeKey) -> bool:
        """Whether a measured model of the reference falls under this bound."""
        measure = name.measure
        return self.metric == measure.metric and all(
            fnmatchcase(value, pattern)
            for value, pattern in (
                (name.model, self.model),
                (name.attack, self.attack),
                (measure.task, self.task),
                (measure.judge, self.judge),
            )
        )


def load_bounds(file: Path | None) -> list[Bound]:
    """The user's bounds, or the packaged ones.

    Raises:
        SpecError: the file is no TOML, holds no ``[[bound]]``, or one of them is malformed.
    """
    where = str(file or _DEFAULT)
    packaged = packaged_file(_DEFAULT)
    raw = read_toml(file) if file else parse_toml(packaged.read_text(encoding="utf-8"), where=where)
    unknown = sorted(set(raw) - {"bound"})
    if unknown:
        raise SpecError(where, f"unknown key {unknown[0]!r}; allowed: [[bound]] tables")
    tables = raw.get("bound", [])
    if not isinstance(tables, list) or not tables:
        raise SpecError(where, "at least one [[bound]] table is wanted")
    return [_bound(table, f"{where}, bound {index}") for index, table in enumerate(tables, 1)]


def first_binding(bounds: Sequence[Bound], name: OutcomeKey) -> Bound | None:
    """The first bound that fits, so that special ones stand before general ones."""
    return next((bound for bound in bounds if bound.binds(name)), None)


def _bound(table: Any, where: str) -> Bound:
    if not isinstance(table, dict):
        raise SpecError(where, f"a table was wanted, not {table!r}")
    bound = parse(Bound, table, where=where)
    if bound.direction not in (LOWER, HIGHER):
        raise SpecError(where, f"direction must be 'lower' or 'higher', not {bound.direction!r}")
    if not 0 < bound.tolerance < 1:
        raise SpecError(where, f"tolerance must lie between 0 and 1, not {bound.tolerance}")
    if not _LEAST_CONFIDENCE < bound.confidence < 1:
        raise SpecError(where, f"confidence must lie between 0.5 and 1, not {bound.confidence}")
    if not 0 <= bound.seed_sd < 1:
        raise SpecError(where, f"seed_sd must lie between 0 and 1, not {bound.seed_sd}")
    return bound
