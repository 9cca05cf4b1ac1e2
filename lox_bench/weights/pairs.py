"""A base and an aligned model on disk: which tensors they share, and how to read a change.

The aligned model is a checkpoint of its own, or a PEFT adapter over the base. Whatever it is, the
result takes the layout of ``layout``: its files, its order, its names.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import Tensor

from lox_bench.errors import MismatchError, SourceError
from lox_bench.sources.layout import read_model_config
from lox_bench.weights.change import Change, Dense
from lox_bench.weights.checkpoint import Checkpoint, open_checkpoint, tensor_reader

_SHOWN = 3  # tensor names in an error message
HEADS = ("lm_head.weight", "embed_out.weight")
EMBEDDINGS = ("embed_tokens.weight", "wte.weight", "word_embeddings.weight", "embed_in.weight")


@dataclass(frozen=True, slots=True)
class Readers:
    """Readers by name: of an aligned weight, and of the change that alignment was.

    An aligned weight that is not stored as such comes as its change.
    """

    aligned: Callable[[str], Tensor | Change]
    change: Callable[[str], Change]


class Pair(Protocol):
    """What hardening needs to know of two models."""

    @property
    def layout(self) -> Checkpoint:
        """The checkpoint whose files and names the result will have."""

    @property
    def changed(self) -> Mapping[str, tuple[int, ...]]:
        """Shapes of the tensors that differ, or may; the others are carried over as they are."""

    def require_shapes(self, names: Iterable[str]) -> None:
        """Refuse tensors whose base and aligned shapes differ.

        Raises:
            MismatchError: some do; the message names the first.
        """

    def opened(self, stack: ExitStack) -> Readers:
        """Open the files, which stay open as long as ``stack``."""


@dataclass(frozen=True, slots=True)
class TwoCheckpoints:
    """Two checkpoints of one architecture; ``aliases`` are names under which the base differs."""

    base: Checkpoint
    layout: Checkpoint
    aliases: Mapping[str, str]

    @property
    def changed(self) -> Mapping[str, tuple[int, ...]]:
        """See ``Pair``."""
        return {
            name: stored.shape
            for name, stored in self.layout.tensors.items()
            if stored.dtype.is_floating_point
        }

    def require_shapes(self, names: Iterable[str]) -> None:
        """See ``Pair``."""
        for name in names:
            before = self.base.tensors[self.aliases.get(name, name)].shape
            after = self.layout.tensors[name].shape
            if before != after:
                raise MismatchError(
                    f"tensor {name!r} is {before} in the base model but {after} in the aligned "
                    f"one; LoX needs two models of one architecture{self._advice()}"
                )

    def _advice(self) -> str:
        """The options that leave embedding and head as aligned, if only they differ in shape."""
        odd = [
            name
            for name in self.changed
            if self.base.tensors[self.aliases.get(name, name)].shape
            != self.layout.tensors[name].shape
        ]
        if not all(name.endswith((*HEADS, *EMBEDDINGS)) for name in odd):
            return ""
        options = " ".join(f'--exclude "{name}"' for name in odd)
        return f" (a resized vocabulary can stay as aligned: {options})"

    def opened(self, stack: ExitStack) -> Readers:
        """See ``Pair``."""
        before, after = tensor_reader(self.base, stack), tensor_reader(self.layout, stack)
        return Readers(
            aligned=after,
            change=lambda name: Dense(before(self.aliases.get(name, name)), after(name)),
        )


def open_checkpoints(base: Path, aligned: Path) -> TwoCheckpoints:
    """Open two checkpoints of one architecture.

    A head that only one of them stores is the embedding where the other's configuration ties them.

    Raises:
        MismatchError: architectures or tensor names differ; the message names them.
        SourceError: a folder holds no usable weights.
    """
    same_architecture(base, aligned)
    source, target = open_checkpoint(base), open_checkpoint(aligned)
    for checkpoint in (source, target):
        refuse_quantized(checkpoint)
    aliases = _tied_head(source, target)
    _same_names(source, target, aliases)
    return TwoCheckpoints(source, target, aliases)


def same_architecture(base: Path, aligned: Path) -> None:
    """Refuse two models of different classes.

    Raises:
        MismatchError: they are; the message names both.
    """
    kinds = [_architecture(path) for path in (base, aligned)]
    if kinds[0] != kinds[1]:
        raise MismatchError(
            f"the base model is a {kinds[0]} but the aligned one a {kinds[1]}; "
            "LoX needs two models of one architecture"
        )


def refuse_quantized(checkpoint: Checkpoint) -> None:
    """Refuse weights that are codes, not numbers.

    Raises:
        SourceError: the configuration says they are quantized.
    """
    quantized = checkpoint.config.get("quantization_config")
    if quantized:
        method = quantized.get("quant_method", "unnamed")
        raise SourceError(
            f"{checkpoint.path} is quantized ({method}); LoX needs the weights themselves: use the "
            "bf16, fp16 or fp32 checkpoint and quantize the result"
        )


def _architecture(path: Path) -> str:
    names = read_model_config(path).get("architectures") or ["model of unnamed architecture"]
    return str(names[0])


def _tied_head(base: Checkpoint, aligned: Checkpoint) -> dict[str, str]:
    """Where the aligned model stores a head of its own and the base ties it to its embedding."""
    heads = [name for name in aligned.names - base.names if name.endswith(HEADS)]
    embeddings = [name for name in base.names if name.endswith(EMBEDDINGS)]
    if len(heads) == len(embeddings) == 1 and _is_tied(base):
        return {heads[0]: embeddings[0]}
    return {}


def _is_tied(checkpoint: Checkpoint) -> bool:
    return bool(checkpoint.config.get("tie_word_embeddings", True))


def _same_names(base: Checkpoint, aligned: Checkpoint, aliases: Mapping[str, str]) -> None:
    spare = {name for name in base.names if name.endswith(HEADS)} if _is_tied(aligned) else set()
    for odd, where, lacking in (
        (base.names - aligned.names - spare, "base", "aligned"),
        (aligned.names - base.names - set(aliases), "aligned", "base"),
    ):
        if odd:
            shown = ", ".join(sorted(odd)[:_SHOWN]) + (", ..." if len(odd) > _SHOWN else "")
            raise MismatchError(
                f"{len(odd)} tensors of the {where} model are not in the {lacking} one: {shown}"
            )
