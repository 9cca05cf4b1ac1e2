"""A folder in hub layout: its configuration, and which of its files are its weights.

One rule for weights, the one transformers has: ``model.safetensors`` comes before an index of
shards. Where both are there and the index speaks of other files, somebody's copy went wrong, and
nobody can tell which weights were meant: refused.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from lox_bench.codec import read_json
from lox_bench.errors import DataError, SourceError
from lox_bench.paths import plain_path

SINGLE: Final = "model.safetensors"
CONFIG: Final = "config.json"
ADAPTER_CONFIG: Final = "adapter_config.json"
INDEX: Final = "model.safetensors.index.json"
SUFFIX: Final = ".safetensors"
REPORT: Final = "lox.json"  # what a hardened folder says of itself; never carried into another


def read_model_config(path: Path) -> dict[str, Any]:
    """``config.json`` of a model folder as plain data.

    Raises:
        SourceError: there is none, or it is no JSON object.
    """
    file = path / CONFIG
    if not file.is_file():
        raise SourceError(f"{path} has no config.json; a model folder in hub layout was wanted")
    try:
        config = read_json(file)
    except DataError as error:
        raise SourceError(str(error)) from error
    if not isinstance(config, dict):
        raise SourceError(f"{file} holds no JSON object")
    return config


def is_adapter(path: Path) -> bool:
    """Whether a folder holds a PEFT adapter rather than a model."""
    return (path / ADAPTER_CONFIG).is_file()


def weight_files(path: Path) -> list[str]:
    """Names of the files that hold the weights of the model in ``path``, relative to it.

    Raises:
        SourceError: there are none, the index is damaged or names files elsewhere, or it
            contradicts a ``model.safetensors`` beside it.
    """
    single, index = path / SINGLE, path / INDEX
    if not index.is_file():
        if single.is_file():
            return [SINGLE]
        raise SourceError(
            f"{path} holds no {SINGLE} or {INDEX}; convert .bin weights with "
            "`model.save_pretrained(..., safe_serialization=True)` first"
        )
    files = sorted(set(weight_map(path).values()))
    if single.is_file() and files != [SINGLE]:
        raise SourceError(
            f"{path} holds both {SINGLE} and {INDEX}, which names {files[0]}: two sets of "
            "weights, and tools differ in which they read; remove the one that is not meant"
        )
    return files


def weight_map(path: Path) -> Mapping[str, str]:
    """The index of shards in ``path``: tensor name to file name.

    Raises:
        SourceError: it is no such index, or names files elsewhere.
    """
    index = path / INDEX
    try:
        plain = read_json(index)
    except DataError as error:
        raise SourceError(f"{index} is no index of shards ({error})") from error
    entries = plain.get("weight_map") if isinstance(plain, dict) else None
    if not isinstance(entries, dict) or not entries:
        raise SourceError(f"{index} is no index of shards (an object 'weight_map' was wanted)")
    return {tensor: _shard(file, index) for tensor, file in entries.items()}


def _shard(file: Any, index: Path) -> str:
    if not isinstance(file, str) or not file.endswith(SUFFIX):
        raise SourceError(f"{index}: the name of a {SUFFIX} file was wanted, not {file!a}")
    try:
        return str(plain_path(file, where=str(index)))
    except DataError as error:
        raise SourceError(str(error)) from error
