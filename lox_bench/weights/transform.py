"""Harden a model on disk: read ahead, extrapolate, write behind, one tensor at a time.

    base, aligned -> read_ahead -> Change.harden -> WriteBehind -> shards like the aligned model's

Memory is bounded by the largest tensor, whatever the size of the model.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from lox_bench.errors import LoxBenchError, TargetError, UsageError
from lox_bench.files import write_json
from lox_bench.sources.layout import CONFIG, INDEX, is_adapter
from lox_bench.types import Progress
from lox_bench.weights.adapter import open_adapter
from lox_bench.weights.change import Arithmetic, Change
from lox_bench.weights.checkpoint import (
    Checkpoint,
    copy_other_files,
)
from lox_bench.weights.lox import Certificate, cast
from lox_bench.weights.pairs import Pair, open_checkpoints
from lox_bench.weights.ranks import Rank
from lox_bench.weights.select import Settings, choose, require_ranks
from lox_bench.weights.shards import Planned, write_shards

_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class HardenedTensor:
    """One row of the table of what was hardened."""

    name: str
    shape: tuple[int, ...]
    certificate: Certificate


def open_pair(base: Path, aligned: Path) -> Pair:
    """Two checkpoints, or a checkpoint and an adapter over it.

    Raises:
        SourceError: one cannot be read.
        MismatchError: they do not belong together.
    """
    return open_adapter(base, aligned) if is_adapter(aligned) else open_checkpoints(base, aligned)


def harden_checkpoint(
    base: Path, aligned: Path, out: Path, settings: Settings, progress: Progress
) -> list[HardenedTensor]:
    """Write W_LoX of two models of one architecture into the empty folder ``out``.

    Tensors of two or more dimensions are extrapolated (each expert of a stack on its own), others
    copied from ``aligned``. Tied weights are stored once in safetensors and so stay tied. Shards,
    config, tokenizer and generation files are those of ``aligned``; where that is an adapter,
    those of ``base``.

    Returns:
        What was hardened, in the order of the files.

    Raises:
        MismatchError: architectures, tensor names or shapes differ; the message names them.
        UsageError: a pattern matches nothing.
        TargetError: the disk is too small.
        LoxBenchError: a tensor cannot be extrapolated (NaN, bad rank); the message names it.
    """
    pair = open_pair(base, aligned)
    ranks = choose(settings, pair.changed)
    pair.require_shapes(ranks)
    require_ranks(ranks, pair.changed)
    arithmetic_of(settings)
    plan = _planned(pair.layout, settings.dtype)
    nbytes = sum(prod(shape) * dtype.itemsize for _, dtype, shape in plan.values())
    require_space(out, nbytes)
    copy_other_files(pair.layout, out)
    if settings.dtype is not None:
        _tell_new_dtype(out, settings.dtype, nbytes)
    return _Job(pair, ranks, settings, plan).run(out, progress)


@dataclass(frozen=True, slots=True)
class _Job:
    pair: Pair
    ranks: Mapping[str, Rank]
    settings: Settings
    plan: Mapping[str, Planned]

    def run(self, out: Path, progress: Progress) -> list[HardenedTensor]:
        hardened: list[HardenedTensor] = []

        def make(name: str, source: Tensor | Change) -> Tensor:
            tensor, certificate = self._made(name, source)
            if certificate is not None:
                hardened.append(HardenedTensor(name, tuple(tensor.shape), certificate))
            return tensor

        with ExitStack() as stack:
            work = (self._loader(stack), make)
            write_shards(self.pair.layout, self.plan, out, work, progress)
        return hardened

    def _loader(self, stack: ExitStack) -> Callable[[str], Tensor | Change]:
        read = self.pair.opened(stack)

        def load(name: str) -> Tensor | Change:
            with naming(name):
                return read.change(name) if name in self.ranks else read.aligned(name)

        return load

    def _made(self, name: str, source: Tensor | Change) -> tuple[Tensor, Certificate | None]:
        _, dtype, _ = self.plan[name]
        with naming(name):
            if isinstance(source, Tensor):
                return cast(source, dtype), None
            settings = self.settings
            if name in self.ranks:
                return source.harden(
                    self.ranks[name], settings.alpha, dtype, arithmetic_of(settings)
                )
            return source.harden(None, 0.0, dtype, arithmetic_of(settings))[0], None


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Put a tensor's name before any of our errors."""
    try:
        yield
    except LoxBenchError as error:
        raise type(error)(f"tensor {name!r}: {error}") from error


def arithmetic_of(settings: Settings) -> Arithmetic:
    """Where and how to compute.

    Raises:
        UsageError: there is no such device.
    """
    try:
        device = torch.device(settings.device)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"device {settings.device!r} cannot be used ({error})") from error
    return Arithmetic(device, getattr(torch, settings.precision))


def require_space(out: Path, nbytes: int) -> None:
    """Refuse a disk that is too small before the first byte is written.

    Raises:
        TargetError: it is.
    """
    free = shutil.disk_usage(out).free
    if free < nbytes:
        raise TargetError(
            f"{nbytes / _GIB:.1f} GiB are to be written to {out.parent}, but only "
            f"{free / _GIB:.1f} GiB are free there; free some, choose another --out, or write only "
            "the difference with --format delta"
        )


def _planned(layout: Checkpoint, dtype: str | None) -> dict[str, Planned]:
    """What the result will hold: the layout's tensors, floating ones in the type asked for."""
    wanted = None if dtype is None else getattr(torch, dtype)
    return {
        name: (
            name,
            wanted if wanted and stored.dtype.is_floating_point else stored.dtype,
            stored.shape,
        )
        for name, stored in layout.tensors.items()
    }


def _tell_new_dtype(out: Path, dtype: str, nbytes: int) -> None:
    """Make the carried configuration and index true again."""
    config = json.loads((out / CONFIG).read_text())
    key = "torch_dtype" if "torch_dtype" in config else "dtype"
    write_json(out / CONFIG, {**config, key: dtype})
    if (out / INDEX).is_file():
        index = json.loads((out / INDEX).read_text())
        index["metadata"] = {**index.get("metadata", {}), "total_size": nbytes}
        write_json(out / INDEX, index)
