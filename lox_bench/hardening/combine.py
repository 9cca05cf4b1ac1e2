"""Apply a rule to checkpoints of one architecture, tensor by tensor, into a new checkpoint."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from lox_bench.errors import LoxBenchError, MismatchError
from lox_bench.hardening.checkpoint import (
    Checkpoint,
    copy_other_files,
    open_checkpoint,
    tensor_reader,
)
from lox_bench.types import Progress

Combine = Callable[[str, Sequence[Tensor]], Tensor]


def combine_checkpoints(
    sources: Sequence[Path], out: Path, rule: Combine, progress: Progress
) -> None:
    """Write ``rule(name, tensors)`` of all ``sources`` into the empty folder ``out``.

    Shards, config, tokenizer and generation files are those of the last source. One shard of the
    result is in memory at a time, and one tensor of each source.

    Raises:
        MismatchError: tensor names differ.
        LoxBenchError: the rule refuses a tensor; the message names it.
    """
    opened = open_matching(sources)
    target = opened[-1]
    copy_other_files(target, out)
    total, done = len(target.names), 0
    with ExitStack() as stack:
        readers = [tensor_reader(source, stack) for source in opened]
        for file, names in target.shards.items():
            tensors: dict[str, Tensor] = {}
            for name in names:
                tensors[name] = _combined(rule, name, [read(name) for read in readers])
                done += 1
                progress.step(done, total, "tensors")
            save_file(tensors, out / file, metadata={"format": "pt"})


def open_matching(sources: Sequence[Path]) -> list[Checkpoint]:
    """Open checkpoints that hold tensors of the same names.

    Raises:
        MismatchError: one lacks a tensor that another has.
    """
    opened = [open_checkpoint(path) for path in sources]
    last = opened[-1]
    for other in opened[:-1]:
        odd = sorted(other.names ^ last.names)
        if odd:
            raise MismatchError(
                f"{other.path} and {last.path} do not hold the same tensors: {odd[0]!r} and "
                f"{len(odd) - 1} others are in one of them only"
            )
    return opened


def _combined(rule: Combine, name: str, tensors: Sequence[Tensor]) -> Tensor:
    try:
        return rule(name, tensors).contiguous()
    except LoxBenchError as error:
        raise type(error)(f"tensor {name!r}: {error}") from error
