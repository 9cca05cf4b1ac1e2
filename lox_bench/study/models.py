"""What ``--models`` accepts: where weights start from, and methods added to them with ``+``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from lox_bench.engine.stage import Stage
from lox_bench.errors import UnknownNameError, UsageError
from lox_bench.grammar import Call, expand, parse_chain, split_list
from lox_bench.methods.arguments import build_method
from lox_bench.registry import METHODS
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
    "NAME=PATH": "any local folder or hub id, under a name of yours",
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
    models = [_read(chain) for item in split_list(text) for chain in expand(parse_chain(item))]
    labels = [model.label for model in models]
    for label in labels:
        if labels.count(label) > 1:
            raise UsageError(f"model {label!r} is listed twice in {text!r}")
    return models


def build_model(model: ModelText, family: Family, seeds: Seeds, shown: int) -> Variant:
    """A model, not attacked, under the seeds of one repetition.

    Raises:
        UsageError: an argument is unknown or out of range.
        SourceError: a path or hub id holds no model.
    """
    start, target = model.start, model.start.target
    weights = STARTS[start.name](family) if target is None else family.source(target)
    methods = tuple(_chosen(call, family, seeds) for call in model.methods)
    return Variant(model.label, family, weights, methods, seeds=seeds, seed=shown)


def _read(chain: tuple[Call, ...]) -> ModelText:
    first = chain[0]
    if first.target is not None:
        if first.name in {*STARTS, *METHODS.names()}:
            raise UsageError(
                f"{str(first)!r}: {first.name!r} is a name of lox-bench's; call yours otherwise"
            )
        return ModelText(first.name, first, _methods(chain[1:]))
    starts = first.name in STARTS
    if starts and first.args:
        raise UsageError(f"model {str(first)!r} takes no arguments")
    label = "+".join(str(call) for call in chain)
    methods = _methods(chain[1:] if starts else chain)
    return ModelText(label, first if starts else Call("aligned", {}), methods)


def _methods(calls: tuple[Call, ...]) -> tuple[Call, ...]:
    for call in calls:
        if call.name not in METHODS:
            raise UnknownNameError("model", call.name, [*STARTS, *METHODS.names(), "NAME=PATH"])
    return calls


def _chosen(call: Call, family: Family, seeds: Seeds) -> Chosen:
    spec = build_method(call, family.spec.defaults_of)
    return Chosen(str(call), _seeded(spec, seeds))


def _seeded(spec: Any, seeds: Seeds) -> Any:
    """The method with the study's seed where it draws and none was given."""
    draws = any(slot.name == "seed" for slot in fields(spec))
    return replace(spec, seed=seeds.method) if draws and spec.seed is None else spec
