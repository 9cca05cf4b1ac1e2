"""How far packaged judges are right against human labels, as measured and committed."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from lox_bench.codec import parse
from lox_bench.strict_toml import parse_toml


@dataclass(frozen=True, slots=True)
class Kappa:
    """Cohen's kappa of one judge (by its key) on each model's answers; ``how`` qualifies it."""

    key: str
    kappa: tuple[float, ...]
    how: str


@dataclass(frozen=True, slots=True)
class Calibrations:
    """Kappas of several judges on one labelled set."""

    labels: str
    models: tuple[str, ...]
    judge: tuple[Kappa, ...]


def kappa_text(key: str) -> str:
    """``κ 0.90 0.80 0.78 on XSTest (3 models)``; empty for a judge that was not calibrated.

    Args:
        key: of the judge; another version of it is another judge.
    """
    return _by_key().get(key, "")


@lru_cache(maxsize=1)
def _by_key() -> Mapping[str, str]:
    folder = resources.files("lox_bench.assets.judges") / "calibrations"
    found = {}
    for file in folder.iterdir():
        held = parse(
            Calibrations, parse_toml(file.read_text(encoding="utf-8"), where=file.name),
            where=file.name,
        )  # fmt: skip
        for one in held.judge:
            shown = " ".join(f"{value:.2f}" for value in one.kappa)
            note = f"; {one.how}" if one.how else ""
            count = len(held.models)
            found[one.key] = f"κ {shown} on {held.labels} ({count} models{note})"
    return found
