"""Apply a rule to checkpoints of one architecture, tensor by tensor, into a new checkpoint.

Streams as hardening does: one tensor of each source is in work while the next ones are read and
the last result is written.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from torch import Tensor

from lox_bench.types import Progress
from lox_bench.weights.checkpoint import (
    Checkpoint,
    copy_other_files,
    open_checkpoint,
    tensor_reader,
)
from lox_bench.weights.pairs import open_checkpoints
from lox_bench.weights.shards import write_shards
from lox_bench.weights.transform import naming, require_space

Combine = Callable[[str, Sequence[Tensor]], Tensor]
Load = Callable[[str], list[Tensor]]


def combine_checkpoints(
    sources: Sequence[Path], out: Path, rule: Combine, progress: Progress
) -> None:
    """Write ``rule(name, tensors)`` of all ``sources`` into the empty folder ``out``.

    A folder that is named twice is read once: the rule then sees the same tensor object twice.
    The rule keeps shape and type of the last source's tensor; what is no floating-point tensor
    (counters, positions) is the last source's, and so are shards, config, tokenizer and generation
    files.

    Raises:
        MismatchError: architectures, tensor names or shapes differ.
        TargetError: the disk is too small.
        LoxBenchError: the rule refuses a tensor; the message names it.
    """
    layout, aliases = _matching(sources)
    require_space(out, layout.nbytes)
    copy_other_files(layout, out)
    planned = {name: (name, held.dtype, held.shape) for name, held in layout.tensors.items()}

    def make(name: str, held: Sequence[Tensor]) -> Tensor:
        if not held[-1].is_floating_point():
            return held[-1]
        with naming(name):
            return rule(name, held)

    with ExitStack() as stack:
        work = (_loader(sources, layout, aliases, stack), make)
        write_shards(layout, planned, out, work, progress)


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
    for pair in pairs:
        pair.require_shapes(pair.layout.names)
    layout = pairs[0].layout if pairs else open_checkpoint(sources[-1])
    return layout, [*[pair.aliases for pair in pairs], {}]


def _loader(
    sources: Sequence[Path], layout: Checkpoint, aliases: Aliases, stack: ExitStack
) -> Load:
    places = [source.resolve() for source in sources]
    readers = {
        place: tensor_reader(layout if place == places[-1] else open_checkpoint(place), stack)
        for place in dict.fromkeys(places)
    }
    renamed = dict(zip(places, aliases, strict=True))

    def load(name: str) -> list[Tensor]:
        held = {place: read(renamed[place].get(name, name)) for place, read in readers.items()}
        return [held[place] for place in places]

    return load
