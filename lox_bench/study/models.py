"""What ``--models`` accepts: where weights start from, and methods added to them with ``+``."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

from lox_bench.backends.served import PREFIX, Served
from lox_bench.engine.stage import Stage
from lox_bench.errors import UnknownNameError, UsageError
from lox_bench.grammar import Call, parse_sum, split_list
from lox_bench.methods.arguments import build_method, seeded
from lox_bench.registry import Kind, entries, find, load_code
from lox_bench.study.variant import Chosen, Family, Seeds, Variant

STARTS: Final[Mapping[str, Callable[[Family], Stage]]] = {
    "base": lambda family: family.base,
    "aligned": lambda family: family.aligned,
}

DESCRIPTIONS: Final[Mapping[str, str]] = {
    "base": "the family's model before alignment",
    "aligned": "after the family's alignment (DPO run here, or a released checkpoint)",
    "METHOD": "a method on the aligned model: lox(k=6,alpha=1.25); see `lox-bench list methods`",
    "A+B": "several methods, each at its place: lox(k=6)+safe-lora(tau=0.5)",
    "NAME=openai:URL#MODEL": "a served model: openai:http://host/v1#name; not attacked or hardened",
    "NAME=PATH": "a folder (model, or PEFT adapter over base or aligned) or hub id, named by you",
}


@dataclass(frozen=True, slots=True)
class ModelText:
    """One item of ``--models``, parsed: its label, its start, its methods."""

    label: str
    start: Call
    methods: tuple[Call, ...] = ()


def read_models(text: str) -> list[ModelText]:
    """Read a comma list of models; lists of values (``lox(k=2|6)``) stand for all combinations.

    Raises:
        UnknownNameError: a name is neither a start nor a method.
        UsageError: an item is malformed, or two items have one name.
    """
    models = [_read(calls) for item in split_list(text) for calls in expand(parse_sum(item))]
    labels = [model.label for model in models]
    for label in labels:
        if labels.count(label) > 1:
            raise UsageError(f"model {label!r} is listed twice in {text!r}")
    return models


def expand(calls: Sequence[Call]) -> Iterator[list[Call]]:
    """All combinations of the values that arguments list: ``lox(k=2|6)`` is two models."""
    choices = [
        [
            replace(call, args=dict(zip(call.args, values, strict=True)))
            for values in product(*lists)
        ]
        for call in calls
        for lists in [[text.split("|") for text in call.args.values()]]
    ]
    yield from (list(combination) for combination in product(*choices))


def with_methods(model: ModelText, methods: Sequence[Call]) -> ModelText:
    """The same start under other methods, labelled accordingly."""
    before = "+".join(map(_shown, model.methods))
    label = model.label.removesuffix(before) + "+".join(map(_shown, methods))
    return replace(model, label=label, methods=tuple(methods))


def build_model(model: ModelText, family: Family, seeds: Seeds, shown: int) -> Variant:
    """A model, not attacked, under the seeds of one repetition.

    Raises:
        UsageError: an argument is unknown or out of range.
        SourceError: a path or hub id holds no model.
    """
    start, target = model.start, model.start.target
    weights = STARTS[start.name](family) if target is None else _named(start.name, target, family)
    methods = tuple(_chosen(call, family, seeds) for call in model.methods)
    return Variant(model.label, family, weights, methods, seeds=seeds, seed=shown)


def _named(label: str, target: str, family: Family) -> Stage:
    """A model of the user's: weights, or an address.

    Raises:
        UsageError: the address is none, or methods are to act on it.
    """
    if not target.startswith(PREFIX):
        return family.model_at(target)
    served, plus, method = target.rpartition("+")
    if plus and method.split("(")[0] in known_models():
        raise UsageError(
            f"model {label!r}: {method} needs weights, and {served} is served: nobody here can "
            "change it"
        )
    return Served.of(label, target)


def _read(calls: Sequence[Call]) -> ModelText:
    first, *more = calls
    if first.target is not None:
        if first.name in known_models():
            raise UsageError(
                f"{str(first)!r}: {first.name!r} is a name of lox-bench's; call yours otherwise"
            )
        return ModelText("+".join([first.name, *map(_shown, more)]), first, _methods(more))
    starts = first.name in STARTS
    if starts and first.args:
        raise UsageError(f"model {str(first)!r}: it takes no arguments")
    methods = _methods(more if starts else calls)
    start = first if starts else Call("aligned", {})
    return ModelText("+".join(map(_shown, calls)), start, methods)


def _shown(call: Call) -> str:
    """What a label says: of code in a file its name, wherever the file lies."""
    return str(replace(call, name=call.name.rpartition(":")[2]))


def known_models() -> list[str]:
    """Every name that ``--models`` takes."""
    return [*STARTS, *(entry.name for entry in entries(Kind.METHODS))]


def _methods(calls: Sequence[Call]) -> tuple[Call, ...]:
    for call in calls:
        if ":" in call.name:  # FILE.py:NAME
            continue
        if call.name in STARTS:
            raise UsageError(f"{call.name!r} is where weights start from: it comes first, alone")
        try:
            find(Kind.METHODS, call.name)
        except UnknownNameError:
            raise UnknownNameError("model", call.name, [*known_models(), "NAME=PATH"]) from None
    return tuple(calls)


def _chosen(call: Call, family: Family, seeds: Seeds) -> Chosen:
    cls = load_code(Kind.METHODS, call.name)
    method = build_method(cls, call, family.spec.defaults_of(cls))
    return Chosen(str(call), seeded(method, seeds.method))
