"""Apply a rule to checkpoints of one architecture, tensor by tensor, into a new checkpoint.

Streams as hardening does: one tensor of each source is in work while the next ones are read and
the last result is written.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

from torch import Tensor

from lox_bench.hardening.checkpoint import (
    Checkpoint,
    copy_other_files,
    open_checkpoint,
    tensor_reader,
)
from lox_bench.hardening.pairs import open_checkpoints
from lox_bench.hardening.shards import ShardWriter
from lox_bench.hardening.stream import WriteBehind, read_ahead
from lox_bench.hardening.transform import naming, require_space
from lox_bench.types import Progress

Combine = Callable[[str, Sequence[Tensor]], Tensor]
Load = Callable[[str], list[Tensor]]


def combine_checkpoints(
    sources: Sequence[Path], out: Path, rule: Combine, progress: Progress
) -> None:
    """Write ``rule(name, tensors)`` of all ``sources`` into the empty folder ``out``.

    The rule keeps shape and type of the last source's tensor; shards, config, tokenizer and
    generation files are the last source's too.

    Raises:
        MismatchError: architectures, tensor names or shapes differ.
        TargetError: the disk is too small.
        LoxBenchError: the rule refuses a tensor; the message names it.
    """
    layout, aliases = _matching(sources)
    require_space(out, layout.nbytes)
    copy_other_files(layout, out)
    total, done = len(layout.names), 0
    with ExitStack() as stack:
        load = _loader(sources, layout, aliases, stack)
        for file, names in layout.shards.items():
            planned = [(n, layout.tensors[n].dtype, layout.tensors[n].shape) for n in names]
            shard = stack.enter_context(ShardWriter(out / file, planned))
            with WriteBehind() as behind, closing(read_ahead(load, names)) as tensors:
                for name, held in tensors:
                    with naming(name):
                        made = rule(name, held)
                    behind.put(partial(shard.write, name, made))
                    done += 1
                    progress.step(done, total, "tensors")


def open_together(sources: Sequence[Path], stack: ExitStack) -> tuple[Checkpoint, Load]:
    """The last source's layout, and a reader of one tensor from each source.

    Raises:
        MismatchError: architectures, tensor names or shapes differ.
    """
    layout, aliases = _matching(sources)
    return layout, _loader(sources, layout, aliases, stack)


Aliases = Sequence[Mapping[str, str]]


def _matching(sources: Sequence[Path]) -> tuple[Checkpoint, Aliases]:
    pairs = [open_checkpoints(source, sources[-1]) for source in sources[:-1]]
    layout = pairs[0].layout if pairs else open_checkpoint(sources[-1])
    return layout, [*[pair.aliases for pair in pairs], {}]


def _loader(
    sources: Sequence[Path], layout: Checkpoint, aliases: Aliases, stack: ExitStack
) -> Load:
    opened = [*map(open_checkpoint, sources[:-1]), layout]
    readers = [tensor_reader(checkpoint, stack) for checkpoint in opened]

    def load(name: str) -> list[Tensor]:
        named = zip(readers, aliases, strict=True)
        return [read(renamed.get(name, name)) for read, renamed in named]

    return load
