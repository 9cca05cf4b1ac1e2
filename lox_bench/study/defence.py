"""What ``--defence-search`` asks for: which arguments of which models are tuned, and the guards.

A model whose methods say where to look (``search``), or that is given a range
(``lox(k=2..32,alpha=0.5)``), is tuned; numbers stay fixed. Its other values are the family's.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from lox_bench.errors import SpecError, UsageError
from lox_bench.grammar import Call
from lox_bench.judges.kinds import JudgeSpec, can_count, described
from lox_bench.methods.arguments import Argument, describe_arguments
from lox_bench.methods.method import Between
from lox_bench.registry import Kind, load_code
from lox_bench.results.metrics import ASR, OVER_REFUSAL
from lox_bench.study.models import ModelText, with_methods

OPTION: Final = "--defence-search"
_NUMBER: Final = r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_RANGE: Final = re.compile(rf"({_NUMBER})\.\.({_NUMBER})")
_DIGITS: Final = 2  # significant digits tried, so that a point's name is exact
_LOG_FROM: Final = 10  # a range of the user's as wide as that is searched in the logarithm
_MOST_POINTS: Final = 100.0


@dataclass(frozen=True, slots=True)
class Axis:
    """An argument that is tuned: of the method at ``position``, a ``whole`` number or any."""

    position: int
    name: str
    low: float
    high: float
    log: bool
    whole: bool

    @property
    def key(self) -> str:
        """Unique within a model: ``0.alpha``."""
        return f"{self.position}.{self.name}"

    def written(self, value: float) -> str:
        """The argument's text for a value, as it will be tried."""
        return str(round(value)) if self.whole else f"{float(f'{value:.{_DIGITS}g}'):g}"

    def holds(self, text: str) -> bool:
        """Whether a text is a number within the axis."""
        return bool(re.fullmatch(_NUMBER, text)) and self.low <= float(text) <= self.high


@dataclass(frozen=True, slots=True)
class SearchedModel:
    """A model to be tuned; ``text`` is it at the family's own values, today's choice by hand."""

    text: ModelText
    axes: tuple[Axis, ...]

    def at(self, values: Mapping[str, float]) -> ModelText:
        """The model with the values of all axes, by their keys."""
        methods = [
            replace(
                call,
                args={
                    **call.args,
                    **{a.name: a.written(values[a.key]) for a in self.axes if a.position == at},
                },
            )
            for at, call in enumerate(self.text.methods)
        ]
        return with_methods(self.text, methods)


@dataclass(frozen=True, slots=True)
class Defence:
    """How a study looks for the best arguments, and what they may cost.

    ``over_refusal``: points (of 100) that over-refusal may lie above the undefended model's;
    ``accuracy``: points of accuracy on an attack's task that may be lost against it. ``trials`` a
    model; a point is one for all seeds.
    """

    trials: int
    over_refusal: float
    accuracy: float
    searched: tuple[SearchedModel, ...]

    def described(self) -> Mapping[str, Any]:
        """As plain data, for the study's key and the manifest."""
        models = [
            {"model": item.text.label, "axes": [asdict(axis) for axis in item.axes]}
            for item in self.searched
        ]
        return {
            "trials": self.trials,
            "over_refusal": self.over_refusal,
            "accuracy": self.accuracy,
            "searched": models,
        }


def read_defence(
    models: Sequence[ModelText], trials: int | None, guards: tuple[float, float]
) -> tuple[list[ModelText], Defence | None]:
    """Part what is tuned from what is fixed.

    Args:
        models: as asked, arguments perhaps ranges.
        trials: of the search; ``None``: there is none.
        guards: points of over-refusal and of accuracy.

    Returns:
        The models at the family's own values, and what is to be tuned.

    Raises:
        UsageError: a range without a search or one that cannot be meant, no guards that can,
            nothing to tune, or no undefended model to compare with.
    """
    from lox_bench.results.validity import CONTROL  # late: it loads scipy

    searched = [_searched(model, wanted=trials is not None) for model in models]
    found = [item.text for item in searched]
    labels = [model.label for model in found]
    for label in labels:
        if labels.count(label) > 1:
            raise UsageError(f"{OPTION} tunes each model once; {label!r} is listed twice")
    if trials is None:
        return found, None
    for name, bound in zip(("--max-over-refusal", "--max-accuracy-loss"), guards, strict=True):
        if not 0 <= bound <= _MOST_POINTS:
            raise UsageError(f"{name} wants points between 0 and 100, not {bound:g}")
    tuned = tuple(item for item in searched if item.axes)
    if not tuned:
        raise UsageError(
            f"{OPTION}: no model has an argument to tune; name a method without it (lox), or give "
            "a range (lox(k=2..32))"
        )
    if CONTROL not in labels:
        raise UsageError(f"{OPTION} holds models to {CONTROL!r}; add it to --models")
    return found, Defence(trials, *guards, tuned)


def require_measurable(
    judges: Sequence[JudgeSpec], sets: Mapping[str, bool], *, split: str, attacked: bool
) -> None:
    """Refuse a search that could not be judged.

    Args:
        judges: of the study; the first one's word is what counts.
        sets: by metric, whether a prompt set of it has dev prompts.
        split: of the study.
        attacked: whether there is an attack.

    Raises:
        UsageError: something is missing; the message says what.
    """
    if not attacked:
        raise UsageError(f"{OPTION} needs an attack to defend against; --attack names none")
    if split == "dev":
        raise UsageError(
            f"{OPTION} chooses on the dev prompts and reports on held-out ones; leave --split out"
        )
    for metric, said in ((ASR, "harmful requests"), (OVER_REFUSAL, "look-alikes")):
        if not sets.get(metric):
            raise UsageError(f"{OPTION} needs a prompt set of {said} that has dev prompts")
    first = described(judges[0])
    if not all(can_count(first, label) for label in ("complied", "refused")):
        raise UsageError(
            f"{OPTION} goes by the first judge, and {judges[0].name!r} cannot tell both compliance "
            "and refusal; name another first"
        )


def _searched(model: ModelText, *, wanted: bool) -> SearchedModel:
    axes: list[Axis] = []
    methods: list[Call] = []
    for position, call in enumerate(model.methods):
        ranges = {name: match for name, text in call.args.items() if (match := _match(text))}
        if ranges and not wanted:
            raise UsageError(
                f"model {str(call)!r}: a range is for {OPTION}; all of some values are k=2|6"
            )
        methods.append(replace(call, args={k: v for k, v in call.args.items() if k not in ranges}))
        if wanted:
            axes += _axes(position, call, ranges)
    return SearchedModel(with_methods(model, methods), tuple(axes))


def _match(text: str) -> tuple[str, str] | None:
    found = _RANGE.fullmatch(text.replace(" ", ""))
    return None if found is None else (found[1], found[2])


def _axes(position: int, call: Call, ranges: Mapping[str, tuple[str, str]]) -> list[Axis]:
    cls = load_code(Kind.METHODS, call.name)
    known = {argument.name: argument for argument in describe_arguments(cls)}
    declared: Mapping[str, Between] = getattr(cls, "search", {})
    for name in ranges:
        if name not in known:
            raise UsageError(
                f"model {str(call)!r}: unknown argument {name!r}; it takes {', '.join(known)}"
            )
    free = [
        name for name in known if name in ranges or (name in declared and name not in call.args)
    ]
    return [
        _axis(position, known[name], ranges.get(name), declared.get(name), f"model {str(call)!r}")
        for name in free
    ]


def _axis(
    position: int,
    argument: Argument,
    asked: tuple[str, str] | None,
    declared: Between | None,
    where: str,
) -> Axis:
    if argument.type not in {int, float} or argument.choices:
        raise UsageError(f"{where}: {argument.name} is {argument.allowed}, which has no range")
    if asked is not None:
        low, high = (argument.read(text) for text in asked)
        log = declared.log if declared else low > 0 and high >= _LOG_FROM * low
    elif declared is not None:
        low, high, log = declared.low, declared.high, declared.log
        if not (argument.holds(low) and argument.holds(high)):
            raise SpecError(where, f"search: {argument.name} must be {argument.allowed}")
    if not low < high or (log and low <= 0):
        raise UsageError(
            f"{where}: {argument.name}={low}..{high} goes from a smaller to a larger number"
            f"{' above 0' * log}"
        )
    return Axis(position, argument.name, low, high, log, argument.type is int)
