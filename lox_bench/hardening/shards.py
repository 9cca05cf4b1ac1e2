"""Write safetensors files tensor by tensor: the header first, since all shapes are known before.

A whole file is never in memory. Data go to the disk as they come, so that closing a file does not
wait for gigabytes of them.
"""

import json
import os
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Final, Self

import torch
from torch import Tensor

from lox_bench.hardening.checkpoint import DTYPES, HEADER_BYTES

_FLUSH_BYTES: Final = 256 << 20
_NAMES: Final = {dtype: name for name, dtype in DTYPES.items()}

Planned = tuple[str, torch.dtype, tuple[int, ...]]  # name, type and shape of a tensor to come


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
