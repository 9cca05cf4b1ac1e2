"""Write checkpoints tensor by tensor: each file's header first, since all shapes are known before.

A whole file is never in memory. Data go to the disk as they come, so that closing a file does not
wait for gigabytes of them.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from math import prod
from pathlib import Path
from typing import Final, Self, TypeVar

import torch
from torch import Tensor

from lox_bench.types import Progress
from lox_bench.weights.checkpoint import DTYPES, HEADER_BYTES, Checkpoint
from lox_bench.weights.stream import WriteBehind, read_ahead

L = TypeVar("L")

_MIB: Final = 1 << 20
_FLUSH_BYTES: Final = 256 * _MIB
_NAMES: Final = {dtype: name for name, dtype in DTYPES.items()}

Planned = tuple[str, torch.dtype, tuple[int, ...]]  # name, type and shape of a tensor to come


def write_shards(
    layout: Checkpoint,
    planned: Mapping[str, Planned],
    out: Path,
    work: tuple[Callable[[str], L], Callable[[str, L], Tensor]],
    progress: Progress,
) -> None:
    """Write the files of ``layout`` into ``out``, with tensors as ``planned``.

    ``work`` is what loads a tensor by name, in a thread one ahead, and what makes the new one of
    it, here; a third thread writes the one before.
    """
    load, make = work
    total, done = layout.nbytes, 0
    for file, names in layout.shards.items():
        with (
            ShardWriter(out / file, [planned[name] for name in names]) as shard,
            WriteBehind() as behind,
            closing(read_ahead(load, names)) as sources,
        ):
            for name, source in sources:
                behind.put(partial(shard.write, name, make(name, source)))
                done += layout.tensors[name].nbytes
                progress.step(done // _MIB, total // _MIB, f"MiB  {name}")


class ShardWriter:
    """One safetensors file under construction; a context that ends when all tensors are there."""

    def __init__(self, path: Path, tensors: Sequence[Planned]) -> None:
        """Begin ``path`` with a header that announces ``tensors``, which must follow in order."""
        self._expected = list(tensors)
        self._file = path.open("wb", buffering=0)
        self._unflushed = 0
        self._write(memoryview(_header(tensors)))

    def __enter__(self) -> Self:
        """The writer itself."""
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        """Flush to the disk and close; a file that lacks tensors is a bug of the caller."""
        with self._file:
            if failed is None:
                if self._expected:
                    raise AssertionError(f"{self._expected[0][0]} was announced, never written")
                os.fsync(self._file.fileno())

    def write(self, name: str, tensor: Tensor) -> None:
        """Append the next tensor."""
        expected = self._expected.pop(0)
        if expected != (name, tensor.dtype, tuple(tensor.shape)):
            raise AssertionError(f"{expected} was announced, not {name} {tensor.dtype}")
        flat = tensor.detach().cpu().contiguous().view(-1)
        self._write(flat.view(torch.uint8).numpy().data)

    def _write(self, data: memoryview) -> None:
        self._unflushed += len(data)
        while data:
            data = data[self._file.write(data) :]
        if self._unflushed > _FLUSH_BYTES:
            os.fsync(self._file.fileno())
            self._unflushed = 0


def _header(tensors: Sequence[Planned]) -> bytes:
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, dtype, shape in tensors:
        end = offset + prod(shape) * dtype.itemsize
        entries[name] = {
            "dtype": _NAMES[dtype],
            "shape": list(shape),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % HEADER_BYTES)  # data start aligned
    return len(text).to_bytes(HEADER_BYTES, "little") + text
