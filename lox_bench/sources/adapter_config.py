"""What the configuration of a PEFT adapter says of it; no weight is read, and no torch."""

from pathlib import Path
from typing import Any

from lox_bench.codec import read_json
from lox_bench.errors import DataError, SourceError
from lox_bench.sources.layout import ADAPTER_CONFIG


def adapter_rank(path: Path) -> int:
    """The highest rank that an adapter's configuration names; 0 if it names none."""
    config = _plain(path)
    ranks = [config.get("r"), *(config.get("rank_pattern") or {}).values()]
    return max((rank for rank in ranks if isinstance(rank, int)), default=0)


def said_base(path: Path) -> str:
    """The model that an adapter says it is over, as a path or a hub id; empty if it says none."""
    said = _plain(path).get("base_model_name_or_path")
    return said if isinstance(said, str) else ""


def _plain(path: Path) -> dict[str, Any]:
    try:
        config = read_json(path / ADAPTER_CONFIG)
    except DataError as error:
        raise SourceError(str(error)) from error
    return config if isinstance(config, dict) else {}
