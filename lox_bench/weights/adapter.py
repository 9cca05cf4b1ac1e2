"""An aligned model given as a PEFT LoRA adapter over the base: the change is scaling * B @ A.

The file format is PEFT's: ``adapter_config.json`` and ``adapter_model.safetensors``, whose names
are module paths below ``base_model.model.``. Fully trained modules (``modules_to_save``, biases)
lie in the same file and count as aligned weights. What would change the meaning of the factors
(DoRA, a base rewritten by PiSSA, ...) is refused, never ignored.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from lox_bench.codec import read_json
from lox_bench.errors import DataError, MismatchError, SourceError
from lox_bench.sources.layout import ADAPTER_CONFIG
from lox_bench.weights.change import Change, Dense, Factored
from lox_bench.weights.checkpoint import (
    Checkpoint,
    open_checkpoint,
    stored_tensors,
    tensor_reader,
)
from lox_bench.weights.pairs import EMBEDDINGS, HEADS, Readers, refuse_quantized

ADAPTER_WEIGHTS: Final = "adapter_model.safetensors"
PREFIX: Final = "base_model.model."

WHOLE: Final = "whole"  # a tensor trained in full
COPY: Final = "copy"  # the base's own weight, which PEFT saves along with embeddings and heads

_FACTOR = re.compile(r"(?P<module>.+)\.lora_(?P<kind>embedding_)?(?P<side>[AB])(\.weight)?")
_UNSUPPORTED = ("use_dora", "lora_bias", "target_parameters", "layer_replication", "use_qalora")
_REWRITES_BASE = ("pissa", "olora", "corda", "loftq")  # initialisations that change the base


@dataclass(frozen=True, slots=True)
class BaseAndAdapter:
    """A base checkpoint and what an adapter does to it."""

    layout: Checkpoint
    adapter: Checkpoint
    config: Mapping[str, Any]

    @property
    def changed(self) -> Mapping[str, tuple[int, ...]]:
        """See ``pairs.Pair``."""
        return {
            name: self.layout.tensors[name].shape
            for name in self.layout.tensors
            if name in self._targets
        }

    @property
    def whole_modules(self) -> list[str]:
        """Base tensors that the adapter replaces instead of adding factors."""
        return [name for name, held in self._targets.items() if {*map(_side, held)} == {WHOLE}]

    @property
    def embeddings(self) -> set[str]:
        """Base tensors whose factors are stored as an embedding's."""
        return {name for name, held in self._targets.items() if "embedding_A" in map(_side, held)}

    @property
    def _targets(self) -> dict[str, list[str]]:
        """Base tensor -> names of what the adapter holds for it."""
        targets: dict[str, list[str]] = {}
        for name in self.adapter.tensors:
            targets.setdefault(_target(name), []).append(name)
        return targets

    def require_shapes(self, names: Iterable[str]) -> None:
        """See ``pairs.Pair``."""
        for name in names:
            base = self.layout.tensors[name].shape
            whole = [
                self.adapter.tensors[key] for key in self._targets[name] if _side(key) == WHOLE
            ]
            if any(held.shape != base for held in whole):
                raise MismatchError(
                    f"tensor {name!r} is {base} in the base model, {whole[0].shape} in the adapter"
                )

    def opened(self, stack: ExitStack) -> Readers:
        """See ``pairs.Pair``."""
        base, adapter = tensor_reader(self.layout, stack), tensor_reader(self.adapter, stack)
        targets = self._targets

        def change(name: str) -> Change:
            held = {_side(key): adapter(key) for key in targets[name]}
            if set(held) == {WHOLE}:
                return Dense(base(name), held[WHOLE])
            before = base(name)
            _require_same(held.pop(COPY, before), before)
            left, right = self._factors(name, held)
            return Factored(before, left, right)

        return Readers(
            aligned=lambda name: change(name) if name in targets else base(name), change=change
        )

    def scaled(self, stack: ExitStack) -> Iterator[tuple[str, Tensor, Tensor]]:
        """Of every linear layer the name of its weight, and its A and ``scaling * B`` in float32.

        A is ``rank x inputs``, B ``outputs x rank``, however the base stores its weight; files
        stay open on ``stack``.

        Raises:
            SourceError: the adapter holds anything else.
        """
        read = tensor_reader(self.adapter, stack)
        for name, keys in self._targets.items():
            held = {_side(key): read(key) for key in keys}
            if set(held) != {"A", "B"}:
                raise SourceError(f"it holds {', '.join(sorted(held))} for {name!r}")
            yield name, *self._scaled(name, held["A"], held["B"])

    def _factors(self, name: str, held: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """``left @ right`` is what the adapter adds to the base weight as it is stored."""
        if set(held) not in ({"A", "B"}, {"embedding_A", "embedding_B"}):
            raise SourceError(f"the adapter holds {sorted(held)} for {name!r}, not one A and one B")
        (_, below), (_, above) = sorted(held.items())
        down, up = self._scaled(name, below, above)
        turned = "embedding_A" in held or self.config.get("fan_in_fan_out", False)
        return (down.mT, up.mT) if turned else (up, down)

    def _scaled(self, name: str, down: Tensor, up: Tensor) -> tuple[Tensor, Tensor]:
        scaling = self._scaling(name.removesuffix(".weight"), rank=down.shape[0])
        return down.to(torch.float32), up.to(torch.float32) * scaling

    def _scaling(self, module: str, rank: int) -> float:
        alpha = float(self.config["lora_alpha"])
        for pattern, value in (self.config.get("alpha_pattern") or {}).items():
            if re.match(rf"(.*\.)?({pattern})$", module):
                alpha = float(value)
                break
        return alpha / (sqrt(rank) if self.config.get("use_rslora") else rank)


def open_adapter(base: Path, path: Path) -> BaseAndAdapter:
    """Open a base checkpoint and a LoRA adapter over it.

    Raises:
        SourceError: it is no LoRA adapter in safetensors, or of a kind that is not supported.
        MismatchError: it changes tensors that the base does not have.
    """
    config = _config(path)
    _refuse_unsupported(path, config)
    if not (path / ADAPTER_WEIGHTS).is_file():
        raise SourceError(
            f"{path} holds no {ADAPTER_WEIGHTS}; save a .bin adapter again with "
            "`model.save_pretrained(..., safe_serialization=True)`"
        )
    layout = open_checkpoint(base)
    refuse_quantized(layout)
    stored = {held.name: held for held in stored_tensors(path, ADAPTER_WEIGHTS)}
    _refuse_tied(path, layout, {_target(name) for name in stored})
    lacking = sorted({_target(name) for name in stored} - layout.names)
    if lacking:
        raise MismatchError(
            f"the adapter {path} changes {len(lacking)} tensors that {base} does not have, such as "
            f"{lacking[0]!r}; is this its base model?"
        )
    return BaseAndAdapter(layout, Checkpoint(path, stored), config)


def _config(path: Path) -> dict[str, Any]:
    try:
        config = read_json(path / ADAPTER_CONFIG)
    except DataError as error:
        raise SourceError(str(error)) from error
    if not isinstance(config, dict):
        raise SourceError(f"{path / ADAPTER_CONFIG} holds no JSON object")
    return config


def _refuse_unsupported(path: Path, config: Mapping[str, Any]) -> None:
    kind = config.get("peft_type")
    if kind != "LORA":
        raise SourceError(f"{path} is a PEFT adapter of type {kind}; only LORA can be hardened")
    alpha = config.get("lora_alpha")
    if isinstance(alpha, bool) or not isinstance(alpha, int | float):
        raise SourceError(f"{path / ADAPTER_CONFIG}: lora_alpha must be a number, not {alpha!r}")
    odd = [key for key in _UNSUPPORTED if config.get(key)]
    start = config.get("init_lora_weights")
    if isinstance(start, str) and start.lower().startswith(_REWRITES_BASE):
        odd.append(f"init_lora_weights={start}")
    if odd:
        raise SourceError(
            f"the adapter {path} uses {', '.join(odd)}, so that its change is not scaling * B @ A; "
            "merge it into its base with `merge_and_unload()` and give the merged checkpoint"
        )


def _refuse_tied(path: Path, layout: Checkpoint, targets: Collection[str]) -> None:
    """Refuse a change to one side of a tied pair: a checkpoint stores the two as one tensor."""
    if any(name.endswith(HEADS) for name in layout.names):
        return
    sides = sorted(name for name in targets if name.endswith((*HEADS, *EMBEDDINGS)))
    if sides:
        raise SourceError(
            f"the adapter {path} changes {sides[0]!r}, but its base ties embedding and head: PEFT "
            "changes one of the two, a checkpoint stores both as one tensor; merge it with "
            "`merge_and_unload()` after `model.config.tie_word_embeddings = False` and give the "
            "merged checkpoint"
        )


def _target(key: str) -> str:
    """Base tensor that an adapter's tensor belongs to."""
    name = key.removeprefix(PREFIX)
    match = _FACTOR.fullmatch(name)
    return f"{match['module']}.weight" if match else name.replace(".base_layer.", ".")


def _side(key: str) -> str:
    """``A``, ``B``, ``embedding_A`` or ``embedding_B``; ``WHOLE`` or ``COPY`` for a full tensor."""
    match = _FACTOR.fullmatch(key)
    if match:
        return f"{match['kind'] or ''}{match['side']}"
    return COPY if ".base_layer." in key else WHOLE


def _require_same(copy: Tensor, base: Tensor) -> None:
    if copy.shape != base.shape or not torch.equal(copy.to(base.dtype), base):
        raise SourceError(
            "the adapter brings a weight of its own that is not the base's: it belongs to another "
            "base, or the vocabulary was resized (then merge it with `merge_and_unload()` first)"
        )
