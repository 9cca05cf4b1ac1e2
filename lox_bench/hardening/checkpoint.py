"""Apply LoX to checkpoints on disk, tensor by tensor, in the aligned model's own shard layout."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from lox_bench.errors import LoxBenchError, MismatchError, SourceError
from lox_bench.hardening.lox import MATRIX_DIMS, Projection, extrapolate_certified
from lox_bench.store import MANIFEST
from lox_bench.types import Progress

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
_CARRIED = ("*.json", "*.jinja", "*.model", "*.txt")  # config, tokenizer, templates, index
_SHOWN = 3  # tensor names in an error message


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The tensors of a hub-layout folder: which shard holds which name."""

    path: Path
    shards: Mapping[str, tuple[str, ...]]  # file name -> tensor names, in file order

    @property
    def names(self) -> set[str]:
        """All tensor names."""
        return {name for names in self.shards.values() for name in names}


def open_checkpoint(path: Path) -> Checkpoint:
    """Read the layout (not the weights) of ``path``, a folder with safetensors weights."""
    if (path / INDEX).is_file():
        weight_map = json.loads((path / INDEX).read_text())["weight_map"]
        files = sorted(set(weight_map.values()))
    elif (path / SINGLE).is_file():
        files = [SINGLE]
    else:
        raise SourceError(
            f"{path} holds no {SINGLE} or {INDEX}; convert .bin weights with "
            "`model.save_pretrained(..., safe_serialization=True)` first"
        )
    shards: dict[str, tuple[str, ...]] = {}
    for file in files:
        try:
            with safe_open(path / file, framework="pt") as handle:
                shards[file] = tuple(handle.keys())
        except (OSError, SafetensorError) as error:
            raise SourceError(f"{path / file} is no readable safetensors file ({error})") from error
    return Checkpoint(path=path, shards=shards)


def harden_checkpoint(
    base: Path, aligned: Path, out: Path, *, rank: int | None, alpha: float, progress: Progress
) -> dict[str, Any]:
    """Write W_LoX of two checkpoints of one architecture into the empty folder ``out``.

    Tensors of two or more dimensions are extrapolated, others copied from ``aligned``. Tied
    weights are stored once in safetensors and so stay tied. Config, tokenizer and generation
    files come from ``aligned``.

    Returns:
        Facts for the manifest: of every extrapolated tensor the residual of its decomposition
        (the certificate of ``lowrank.py``) and the method.

    Raises:
        MismatchError: architectures, tensor names or shapes differ; the message names them.
        LoxBenchError: a tensor cannot be extrapolated (NaN, bad rank); the message names it.
    """
    _same_architecture(base, aligned)
    source, target = open_checkpoint(base), open_checkpoint(aligned)
    _same_names(source, target)
    _copy_other_files(target, out)
    total, done = len(target.names), 0
    certificates: dict[str, Any] = {}
    with ExitStack() as stack:
        read = _reader(source, stack)
        for file, names in target.shards.items():
            tensors: dict[str, Tensor] = {}
            for name, tensor in _tensors(aligned / file, names):
                made = _harden_one(name, read(name), tensor, rank=rank, alpha=alpha)
                tensors[name] = tensor if made is None else made.value
                if made is not None:
                    certificates[name] = {"residual": made.residual, "method": made.method}
                done += 1
                progress.step(done, total, "tensors")
            save_file(tensors, out / file, metadata={"format": "pt"})
    return {"tensors": certificates}


def _harden_one(
    name: str, base: Tensor, aligned: Tensor, *, rank: int | None, alpha: float
) -> Projection | None:
    if base.shape != aligned.shape:
        raise MismatchError(
            f"tensor {name!r} is {tuple(base.shape)} in the base model but "
            f"{tuple(aligned.shape)} in the aligned one; LoX needs two models of one architecture"
        )
    if aligned.ndim < MATRIX_DIMS:
        return None
    try:
        return extrapolate_certified(base, aligned, rank=rank, alpha=alpha)
    except LoxBenchError as error:
        raise type(error)(f"tensor {name!r}: {error}") from error


def _tensors(file: Path, names: tuple[str, ...]) -> Iterator[tuple[str, Tensor]]:
    with safe_open(file, framework="pt") as handle:
        for name in names:
            yield name, handle.get_tensor(name)


def _reader(checkpoint: Checkpoint, stack: ExitStack) -> Any:
    handles = {
        name: handle
        for file, names in checkpoint.shards.items()
        for handle in [stack.enter_context(safe_open(checkpoint.path / file, framework="pt"))]
        for name in names
    }

    def read(name: str) -> Tensor:
        tensor: Tensor = handles[name].get_tensor(name)
        return tensor

    return read


def _same_architecture(base: Path, aligned: Path) -> None:
    kinds = [_architecture(path) for path in (base, aligned)]
    if kinds[0] != kinds[1]:
        raise MismatchError(
            f"the base model is a {kinds[0]} but the aligned one a {kinds[1]}; "
            "LoX needs two models of one architecture"
        )


def _architecture(path: Path) -> str:
    config = path / "config.json"
    if not config.is_file():
        raise SourceError(f"{path} has no config.json; a model folder in hub layout was wanted")
    names = json.loads(config.read_text()).get("architectures") or ["model of unnamed architecture"]
    return str(names[0])


def _same_names(base: Checkpoint, aligned: Checkpoint) -> None:
    for odd, where, lacking in (
        (base.names - aligned.names, "base", "aligned"),
        (aligned.names - base.names, "aligned", "base"),
    ):
        if odd:
            shown = ", ".join(sorted(odd)[:_SHOWN]) + (", ..." if len(odd) > _SHOWN else "")
            raise MismatchError(
                f"{len(odd)} tensors of the {where} model are not in the {lacking} one: {shown}"
            )


def _copy_other_files(checkpoint: Checkpoint, out: Path) -> None:
    for pattern in _CARRIED:
        for file in sorted(checkpoint.path.glob(pattern)):
            if file.name != MANIFEST:
                shutil.copy2(file, out / file.name)
