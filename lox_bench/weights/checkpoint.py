"""Checkpoints on disk: which file of a hub-layout folder holds which tensor, and reading one.

The weights are read with plain reads into memory of our own, not through a memory map: mapped
pages count as resident memory, and a map cannot be read ahead by a thread. The safetensors library
validates every file; its documented header (8 bytes of length, then JSON) gives the offsets.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from io import FileIO
from math import prod
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from lox_bench.errors import SourceError
from lox_bench.files import MANIFEST
from lox_bench.sources.identity import content_files
from lox_bench.sources.layout import (
    INDEX,
    REPORT,
    SINGLE,
    SUFFIX,
    read_model_config,
    weight_files,
    weight_map,
)

DTYPES: Final[Mapping[str, torch.dtype]] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
HEADER_BYTES = 8  # little-endian length of the JSON that follows


@dataclass(frozen=True, slots=True)
class Stored:
    """Where one tensor lies: ``offset`` counts bytes from the start of ``file``."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    file: str
    offset: int

    @property
    def nbytes(self) -> int:
        """Bytes on disk."""
        return prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The tensors of a hub-layout folder, in the order in which they lie in its files."""

    path: Path
    tensors: Mapping[str, Stored]

    @property
    def names(self) -> set[str]:
        """All tensor names."""
        return set(self.tensors)

    @property
    def shards(self) -> dict[str, tuple[str, ...]]:
        """File name -> tensor names, in file order."""
        files = dict.fromkeys(stored.file for stored in self.tensors.values())
        return {
            file: tuple(held.name for held in self.tensors.values() if held.file == file)
            for file in files
        }

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(stored.nbytes for stored in self.tensors.values())

    @property
    def config(self) -> dict[str, Any]:
        """The model's configuration as plain data."""
        return read_model_config(self.path)


def open_checkpoint(path: Path) -> Checkpoint:
    """Read the layout (not the weights) of ``path``, a folder with safetensors weights.

    Raises:
        SourceError: there are none, or a file is damaged or missing.
    """
    files = weight_files(path)
    found = [held for file in files for held in stored_tensors(path, file)]
    tensors = {held.name: held for held in found}
    if len(tensors) < len(found):
        twice = next(held for held in found if tensors[held.name] != held)
        raise SourceError(
            f"{path}: {twice.name!r} lies both in {twice.file} and in {tensors[twice.name].file}"
        )
    if files != [SINGLE]:
        _require_indexed(path, tensors)
    return Checkpoint(path=path, tensors=tensors)


def _require_indexed(path: Path, tensors: Mapping[str, Stored]) -> None:
    """Refuse shards that hold something else than their index says."""
    for name, file in weight_map(path).items():
        if name not in tensors or tensors[name].file != file:
            raise SourceError(f"{path / INDEX}: {file} does not hold {name!r}, as it says there")
    extra = sorted(set(tensors).difference(weight_map(path)))
    if extra:
        where = tensors[extra[0]].file
        raise SourceError(f"{path / INDEX} does not name {extra[0]!r}, which lies in {where}")


def stored_tensors(folder: Path, file: str) -> list[Stored]:
    """The tensors of one safetensors file, in the order in which they lie there.

    Raises:
        SourceError: the file is missing, damaged, or holds a type that torch has not.
    """
    try:
        with safe_open(folder / file, framework="pt"):
            pass  # validates the header and the file's length
        with (folder / file).open("rb") as stream:
            length = int.from_bytes(stream.read(HEADER_BYTES), "little")
            header = json.loads(stream.read(length))
    except (OSError, SafetensorError, ValueError) as error:
        raise SourceError(f"{folder / file} is no readable safetensors file ({error})") from error
    header.pop("__metadata__", None)
    start = HEADER_BYTES + length
    found = []
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        if entry["dtype"] not in DTYPES:
            raise SourceError(f"{folder / file}: {name!r} has the unknown type {entry['dtype']}")
        shape, offset = tuple(entry["shape"]), start + entry["data_offsets"][0]
        found.append(Stored(name, DTYPES[entry["dtype"]], shape, file, offset))
    return found


def tensor_reader(checkpoint: Checkpoint, stack: ExitStack) -> Callable[[str], Tensor]:
    """A function from tensor names to tensors; the files stay open as long as ``stack``."""
    files = {
        file: stack.enter_context((checkpoint.path / file).open("rb", buffering=0))
        for file in checkpoint.shards
    }

    def read(name: str) -> Tensor:
        stored = checkpoint.tensors[name]
        return _read(files[stored.file], stored)

    return read


def _read(file: FileIO, stored: Stored) -> Tensor:
    buffer = torch.empty(stored.nbytes, dtype=torch.uint8)
    view = buffer.numpy().data
    file.seek(stored.offset)
    while view:
        got = file.readinto(view)
        if not got:
            raise SourceError(f"{file.name} ended within {stored.name!r}; is it being rewritten?")
        view = view[got:]
    return buffer.view(stored.dtype).view(stored.shape)


def other_files(checkpoint: Checkpoint) -> list[Path]:
    """Config, tokenizer, templates and index of a folder; no weights, no manifest of ours."""
    return [
        file
        for file in content_files(checkpoint.path)
        if file.suffix != SUFFIX and file.name not in {MANIFEST, REPORT}
    ]


def copy_other_files(checkpoint: Checkpoint, out: Path) -> None:
    """Carry config, tokenizer and templates along."""
    for file in other_files(checkpoint):
        target = out / file.relative_to(checkpoint.path)
        target.parent.mkdir(exist_ok=True)
        shutil.copy2(file, target)
