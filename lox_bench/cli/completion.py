"""Names that the shell completes; nothing heavy is imported, and nothing can go wrong aloud."""

from collections.abc import Callable, Iterable
from typing import Final

from lox_bench.errors import Listed, LoxBenchError
from lox_bench.registry import Kind, entries

Complete = Callable[[str], list[str]]
_MARKS: Final = ",+"  # before a name within a list or a sum


def models(incomplete: str) -> list[str]:
    """Models and methods, in a comma list or a sum of methods."""
    from lox_bench.study.models import DESCRIPTIONS

    return _last(incomplete, [*DESCRIPTIONS, *_names(Kind.METHODS)])


def attacks(incomplete: str) -> list[str]:
    """Attacks, in a comma list."""
    return _last(incomplete, [*_names(Kind.ATTACKS), "none"])


def judges(incomplete: str) -> list[str]:
    """Judges, in a comma list."""
    return _last(incomplete, _names(Kind.JUDGES))


def families(incomplete: str) -> list[str]:
    """Families, in a comma list."""
    return _last(incomplete, _names(Kind.FAMILIES))


def prompts(incomplete: str) -> list[str]:
    """Prompt sets, in a comma list."""
    return _last(incomplete, _names(Kind.TASKS))


def studies(incomplete: str) -> list[str]:
    """Packaged studies."""
    return _last(incomplete, _names(Kind.STUDIES))


def runs(incomplete: str) -> list[str]:
    """``latest``, and runs by their path and by their name, the newest first."""
    from lox_bench.results.place import LATEST, RUNS, run_folders

    found = list(reversed(run_folders()))
    names = [*map(str, found), *(str(folder.relative_to(RUNS)) for folder in found)]
    return [name for name in (LATEST, *names) if name.startswith(incomplete)]


def references(incomplete: str) -> list[str]:
    """Packaged references of the gate."""
    from lox_bench.gate.reference import reference_names

    return [name for name in reference_names() if name.startswith(incomplete)]


def listed(incomplete: str) -> list[str]:
    """What can be listed."""
    return [str(kind) for kind in Listed if kind.startswith(incomplete)]


def _names(kind: Kind) -> list[str]:
    try:
        return [entry.name for entry in entries(kind)]
    except LoxBenchError:  # two packages quarrel over a name: running says so
        return []


def _last(incomplete: str, names: Iterable[str]) -> list[str]:
    """The names that the last item may become, behind what stands before it."""
    cut = max(incomplete.rfind(mark) for mark in _MARKS) + 1
    head, begun = incomplete[:cut], incomplete[cut:]
    used = set(head.rstrip(_MARKS).split(",")) if head.endswith(",") else set()
    return [
        head + name for name in dict.fromkeys(names) if name.startswith(begun) and name not in used
    ]
