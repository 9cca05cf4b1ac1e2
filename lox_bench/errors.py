"""Every failure we expect, each saying what came, what was wanted and what to do next.

The command line prints the message on one line and exits with ``exit_code``; anything that is
not a ``LoxBenchError`` is a bug of ours and keeps its traceback.
"""

from collections.abc import Collection
from difflib import get_close_matches
from enum import StrEnum


class Listed(StrEnum):
    """What ``lox-bench list`` lists, and messages point to."""

    STUDIES = "studies"
    REPRODUCTIONS = "reproductions"
    FAMILIES = "families"
    METHODS = "methods"
    MODELS = "models"
    ATTACKS = "attacks"
    TASKS = "tasks"
    PROMPTS = "prompts"
    UTILITIES = "utilities"
    JUDGES = "judges"
    BACKENDS = "backends"
    TEMPLATES = "templates"
    REFERENCES = "references"
    RUNS = "runs"


class LoxBenchError(Exception):
    """Root of all expected failures."""

    exit_code = 2


def did_you_mean(name: str, known: Collection[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest known name, or an empty string."""
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


class UnknownNameError(LoxBenchError):
    """A family, model, attack, task or judge that nobody registered."""

    def __init__(self, kind: str, name: str, known: Collection[str], *, see: str = "") -> None:
        plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
        see = see or (f"lox-bench list {plural}" if plural in [*Listed] else "")
        hint = did_you_mean(name, known) or f"; known: {', '.join(sorted(known))}"
        super().__init__(f"no {kind} is called {name!r}{hint}{f' (see `{see}`)' if see else ''}")


class UsageError(LoxBenchError):
    """An argument that cannot mean anything."""


class MissingExtraError(LoxBenchError):
    """A library that only an optional extra installs."""

    def __init__(self, what: str, library: str, extra: str) -> None:
        super().__init__(
            f"{what} needs {library}, which is not installed: pip install 'lox-bench[{extra}]'"
        )


class SpecError(LoxBenchError):
    """A TOML spec with a missing, unknown or ill-typed field."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}")


class DataError(LoxBenchError):
    """A data file that is missing, empty, or not of the expected form."""


class SourceError(LoxBenchError):
    """Weights that cannot be fetched, fail their hash, or are not what they claim."""


class MismatchError(LoxBenchError):
    """Two checkpoints that do not describe the same architecture."""


class IncomparableError(LoxBenchError):
    """Results whose data, template or judge differ, so that no difference would mean anything."""


class ShapeError(LoxBenchError):
    """Tensors whose shapes do not fit the operation."""


class NonFiniteError(LoxBenchError):
    """A tensor that holds NaN or infinity."""


class TargetError(LoxBenchError):
    """The folder to write a model to exists, is in use, or lacks space."""


class StoreError(LoxBenchError):
    """The artifact store or the output folder cannot be written."""


class EndpointError(LoxBenchError):
    """A served model that could not be asked about everything; what it answered is kept."""


class JudgeFailedError(LoxBenchError):
    """Everything is written, but a judge could not be asked: answers are left without a verdict."""

    exit_code = 3
