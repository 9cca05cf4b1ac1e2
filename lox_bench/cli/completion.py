"""Names that the shell completes; nothing heavy is imported, and nothing can go wrong aloud."""

from collections.abc import Callable, Iterable, MutableMapping
from typing import Final

from lox_bench.errors import Listed, LoxBenchError
from lox_bench.registry import Kind, entries

Complete = Callable[[str], list[str]]
_BUILT_IN: Final = ("base", "aligned")
_MARKS: Final = ",+"  # before a name within a list or a sum


def mend_bash(environ: MutableMapping[str, str]) -> None:
    """Take out the ``=`` of ``--option=value``, which bash passes on as a word of its own."""
    if environ.get("_LOX_BENCH_COMPLETE") != "complete_bash":
        return
    words, at = environ.get("COMP_WORDS", "").split("\n"), int(environ.get("COMP_CWORD", "0"))
    for i in range(min(at, len(words)) - 1, 0, -1):
        if words[i] == "=" and words[i - 1].startswith("--"):
            del words[i]
            at -= 1
    if words[at : at + 1] == ["="] and words[at - 1].startswith("--"):
        words[at] = ""  # the value is still to come
    environ.update(COMP_WORDS="\n".join(words), COMP_CWORD=str(at))


def models(incomplete: str) -> list[str]:
    """Models and methods, in a comma list or a sum of methods."""
    return _last(incomplete, [*_BUILT_IN, *_names(Kind.METHODS)])


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
    return [name for name in _names(Kind.STUDIES) if name.startswith(incomplete)]


def runs(incomplete: str) -> list[str]:
    """``latest``, and runs by name, the newest first; by path where one was begun."""
    from lox_bench.results.place import LATEST, RUNS, run_folders

    found = list(reversed(run_folders()))
    names = [LATEST, *(str(folder.relative_to(RUNS)) for folder in found)]
    begun = [str(folder) for folder in found] if incomplete else []
    return [name for name in (*names, *begun) if name.startswith(incomplete)]


def reproductions(incomplete: str) -> list[str]:
    """Publications that can be run again."""
    return [name for name in _names(Kind.REPRODUCTIONS) if name.startswith(incomplete)]


def utilities(incomplete: str) -> list[str]:
    """Accuracy tasks that ship, in a comma list; lm-eval's own are too many to look up."""
    return _last(incomplete, _names(Kind.UTILITIES))


def backends(incomplete: str) -> list[str]:
    """What can compute answers."""
    return [name for name in [*_names(Kind.BACKENDS), "auto"] if name.startswith(incomplete)]


def splits(incomplete: str) -> list[str]:
    """The prompts held out, or those to choose by."""
    return [name for name in ("eval", "dev") if name.startswith(incomplete)]


def axes(incomplete: str) -> list[str]:
    """Where an axis of a landscape may lead."""
    known = [*models(incomplete), *attacks(incomplete), "random"]
    return [name for name in dict.fromkeys(known) if name.startswith(incomplete)]


def published(incomplete: str) -> list[str]:
    """Prompt sets that others published."""
    from lox_bench.data.prompts import load_task

    held = [name for name in _names(Kind.TASKS) if name.startswith(incomplete)]
    return [name for name in held if load_task(name).published is not None]


def metrics(incomplete: str) -> list[str]:
    """What can be compared, in a comma list."""
    from lox_bench.results.metrics import TITLES

    return _last(incomplete, TITLES)


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
