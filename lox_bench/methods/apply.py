"""Apply a method to checkpoints on disk, whichever form it has."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lox_bench.errors import ShapeError, UsageError
from lox_bench.methods.method import CheckpointMethod, Folders, Method, TensorMethod, Weights
from lox_bench.types import Progress

if TYPE_CHECKING:
    from torch import Tensor


def apply_method(
    method: Method, folders: Folders, out: Path, progress: Progress
) -> Mapping[str, Any]:
    """Fill the empty folder ``out`` with the model that a method makes of ``folders``.

    A method that sees single tensors is streamed over the floating-point ones; the result has
    shards, config and tokenizer of ``folders.tuned``. A folder that stands for several of the four
    models is read once, and the method then sees the same tensor object for them.

    Returns:
        Facts for the record: the method's own, or how many ``tensors`` it saw and how many of
        them it left ``unchanged``.

    Raises:
        UsageError: the method acts during training and has no say over weights.
        MismatchError: the checkpoints do not fit together.
        LoxBenchError: a tensor cannot be worked on; the message names it.
    """
    if hasattr(method, "checkpoint"):
        return cast("CheckpointMethod", method).checkpoint(folders, out, progress)
    if not hasattr(method, "tensor"):
        raise UsageError(f"{type(method).__name__} acts during training, not on weights")
    return _streamed(cast("TensorMethod", method), folders, out, progress)


def _streamed(
    method: TensorMethod, folders: Folders, out: Path, progress: Progress
) -> Mapping[str, Any]:
    from lox_bench.weights.combine import combine_checkpoints

    counts = {"tensors": 0, "unchanged": 0}

    def rule(name: str, held: Sequence["Tensor"]) -> "Tensor":
        made, tuned = method.tensor(name, Weights(*held)), held[-1]
        if made.shape != tuned.shape or made.dtype != tuned.dtype:
            raise ShapeError(
                f"{type(method).__name__} made {made.dtype} of {tuple(made.shape)} of "
                f"{tuned.dtype} of {tuple(tuned.shape)}"
            )
        counts["tensors"] += 1
        counts["unchanged"] += made is tuned
        return made

    sources = (folders.base, folders.aligned, folders.start, folders.tuned)
    combine_checkpoints(sources, out, rule, progress)
    return counts
