"""What ``--attack`` and ``--attack-search`` ask for: points of each attack, or a space to search.

With more than one point the question becomes: how unsafe can an adversary make each model, while
the attack still learns its task about as well as it can?
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lox_bench.attacks.arguments import ARGUMENTS, SEARCHED, Value
from lox_bench.attacks.points import (
    AttackPoint,
    AttackSettings,
    Loaded,
    Span,
    Values,
    expanded,
    load_call,
)
from lox_bench.attacks.spec import AttackSpec
from lox_bench.errors import MissingExtraError, UsageError
from lox_bench.grammar import Call, parse_calls
from lox_bench.results.run import NO_ATTACK

_MOST_SLACK = 100.0


def require_optuna(option: str, trials: int | None) -> None:
    """Fail before any work if a search is asked for and its extra is not installed.

    Raises:
        MissingExtraError: it is not; the message names the command.
    """
    if trials is not None and find_spec("optuna") is None:
        raise MissingExtraError(option, "optuna", "search")


@dataclass(frozen=True, slots=True)
class SearchedAttack:
    """An attack to be tuned: what stays fixed, and spans that replace those of its spec.

    ``more`` are other arguments that are looked for: a span each, or values to choose from.
    """

    spec: AttackSpec
    fixed: AttackSettings
    lr: Span | None = None
    epochs: Span | None = None
    more: tuple[tuple[str, Span | tuple[Value, ...]], ...] = ()

    @property
    def corners(self) -> Iterator[AttackPoint]:
        """Points at the ends of what is looked for: if these can be trained, so can the others."""
        held = {name: getattr(self.fixed, name) for name in ARGUMENTS}
        ends = {name: (x.low, x.high) if isinstance(x, Span) else x for name, x in self.more}
        for turn in range(max(map(len, ends.values()), default=0)):
            taken = {name: values[turn % len(values)] for name, values in ends.items()}
            yield AttackPoint(self.spec, AttackSettings.of({**held, **taken}))


@dataclass(frozen=True, slots=True)
class Strength:
    """How hard a plan looks for the worst attack on each model.

    ``slack``: points (of 100) of accuracy on the attack's task that a point may lose against the
    model's best and still count. ``trials`` of a search per model, attack and seed; 0: a grid.
    """

    slack: float
    trials: int = 0
    searched: tuple[SearchedAttack, ...] = ()

    def described(self) -> Mapping[str, Any]:
        """As plain data, for the plan's key and the manifest."""
        return {
            "slack": self.slack,
            "trials": self.trials,
            "searched": [_described(item) for item in self.searched],
        }


def _described(item: SearchedAttack) -> Mapping[str, Any]:
    held = {**asdict(item), "spec": item.spec.name, "space": asdict(item.spec.search)}
    more = held.pop("more")
    return {**held, "more": dict(more)} if more else held


@dataclass(frozen=True, slots=True)
class Asked:
    """The attacks of a request: their points, and with a search what is to be tuned.

    ``files`` are those that attacks name themselves (``sft(file=mine.jsonl)``), by attack, and
    ``columns`` what the files call the columns that an attack reads.
    """

    points: tuple[AttackPoint, ...]
    searched: tuple[SearchedAttack, ...] = ()
    files: Mapping[str, Path] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def corners(self) -> tuple[AttackPoint, ...]:
        """Points that a search may come to, at the ends of what it looks for."""
        return tuple(point for item in self.searched for point in item.corners)

    def strength(self, trials: int | None, slack: float) -> Strength | None:
        """What the worst case is sought among; ``None`` if every attack has one point only.

        Raises:
            UsageError: the slack is no number of points, or there is nothing to search.
        """
        if not 0 <= slack <= _MOST_SLACK:
            raise UsageError(f"--accuracy-slack wants points between 0 and 100, not {slack:g}")
        if trials is not None and not self.searched:
            raise UsageError("--attack-search needs an attack to tune; --attack names none")
        names = [point.spec.name for point in self.points]
        if trials is None and len(set(names)) == len(names):
            return None
        return Strength(slack, trials or 0, self.searched)


def read_attacks(text: str, *, search: bool) -> Asked:
    """Read ``--attack``: with a search, numbers stay fixed and ranges say where to look.

    Raises:
        UnknownNameError: no attack has this name.
        UsageError: an argument is malformed, or has no meaning in a search.
    """
    calls = [call for call in parse_calls(text) if str(call) != NO_ATTACK]
    loaded = [load_call(call) for call in calls]
    files, columns = _files(loaded), _columns(loaded)
    if not search:
        points = [point for item in loaded for point in expanded(item)]
        _check_names([point.spec for point in points])
        distinct = tuple({point.name: point for point in points}.values())
        return Asked(distinct, files=files, columns=columns)
    searched = tuple(_searched(call, item) for call, item in zip(calls, loaded, strict=True))
    names = [item.spec.name for item in searched]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"--attack-search tunes each attack once; {name!r} is listed twice")
    fixed = tuple(AttackPoint(item.spec, item.fixed) for item in searched)
    return Asked(fixed, searched, files, columns)


def _files(loaded: Sequence[Loaded]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for item in loaded:
        name = str(item.spec.name)
        if item.file is not None and found.setdefault(name, item.file) != item.file:
            raise UsageError(
                f"attack {name!r} is given two files, {found[name]} and {item.file}: of one name "
                "there is one data set; run them apart, or copy the attack's TOML under another "
                "name"
            )
    return found


def _columns(loaded: Sequence[Loaded]) -> dict[str, Mapping[str, str]]:
    found: dict[str, Mapping[str, str]] = {}
    for item in loaded:
        name = str(item.spec.name)
        if found.setdefault(name, item.columns) != item.columns:
            raise UsageError(
                f"attack {name!r} is given its file's columns in two ways; say the same each time"
            )
    return found


def _check_names(specs: Sequence[AttackSpec]) -> None:
    known: dict[str, AttackSpec] = {}
    for spec in specs:
        if known.setdefault(spec.name, spec) != spec:
            raise UsageError(f"two attacks are called {spec.name!r}; give one another name")


def _searched(call: Call, loaded: Loaded) -> SearchedAttack:
    looked = {name: _looked(call, name, held) for name, held in loaded.values.items()}
    values = {
        name: held[0]
        for name, held in loaded.values.items()
        if looked[name] is None and not isinstance(held[0], Span)
    }
    spans = {name: x for name, x in looked.items() if name in SEARCHED and isinstance(x, Span)}
    more = tuple((name, x) for name, x in looked.items() if x is not None and name not in spans)
    if not more and all(name in values for name in SEARCHED):
        raise UsageError(f"attack {str(call)!r} fixes {' and '.join(SEARCHED)}: nothing to search")
    if not more and "steps" in values and "lr" in values:
        raise UsageError(f"attack {str(call)!r} fixes lr and steps: nothing to search")
    fixed = AttackSettings.of(values)
    return SearchedAttack(loaded.spec, fixed, spans.get("lr"), spans.get("epochs"), more)


def _looked(call: Call, name: str, held: Values) -> Span | tuple[Value, ...] | None:
    """Where an argument is looked for: a range, or values; ``None`` for one that is fixed."""
    first, values = held[0], tuple(x for x in held if not isinstance(x, Span))
    if len(held) == 1 and not (isinstance(first, Span) and first.points):
        return first if isinstance(first, Span) else None
    if len(values) < len(held) or name in SEARCHED:
        raise UsageError(
            f"attack {str(call)!r}: --attack-search wants each argument fixed ({name}=VALUE) or a "
            f"range to look in ({name}=LOW..HIGH); and, but for {' and '.join(SEARCHED)}, it takes "
            "values to choose from (a|b)"
        )
    return values
