"""What the configuration of a PEFT adapter says of it; no weight is read, and no torch."""

from pathlib import Path
from typing import Any

from lox_bench.codec import read_json
from lox_bench.errors import DataError, SourceError
from lox_bench.sources.layout import ADAPTER_CONFIG, REPORT


def adapter_rank(path: Path) -> int:
    """The highest rank that an adapter's configuration names; 0 if it names none."""
    config = _plain(path / ADAPTER_CONFIG)
    ranks = [config.get("r"), *(config.get("rank_pattern") or {}).values()]
    return max((rank for rank in ranks if isinstance(rank, int)), default=0)


def is_over_aligned(path: Path, base: str, aligned: str) -> bool:
    """Whether an adapter goes over an aligned model rather than over the base of that.

    It does if it is LoX's step over one (``lox-bench harden --format delta``), or names one.

    Args:
        path: the adapter's folder.
        base: the base, as a family names it.
        aligned: the aligned model likewise, or the key under which a store holds it.
    """
    said = _plain(path / ADAPTER_CONFIG).get("base_model_name_or_path")
    if not isinstance(said, str) or not said or _bare(said) == _bare(base):
        return False
    if (path / REPORT).is_file():
        told = _plain(path / REPORT)
        if told.get("format") == "delta" and Path(str(told.get("aligned"))).absolute() == Path(
            said
        ):
            return True
    return _bare(said) == _bare(aligned) or Path(said).name == aligned


def _bare(uri: str) -> str:
    """A path in full, or the name of a repository: what a configuration of PEFT holds of either."""
    place = Path(uri).expanduser()
    return str(place.resolve()) if place.is_dir() else uri.removeprefix("hf://").partition("@")[0]


def _plain(file: Path) -> dict[str, Any]:
    try:
        config = read_json(file)
    except DataError as error:
        raise SourceError(str(error)) from error
    return config if isinstance(config, dict) else {}
