"""Records as JSON lines: one dataclass (or plain mapping) a line, written whole."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_type_hints

from lox_bench.store import write_text

T = TypeVar("T")


def write_records(path: Path, records: Iterable[Any]) -> None:
    """Write dataclasses or mappings, one JSON object a line."""
    plain = (dict(item) if isinstance(item, Mapping) else asdict(item) for item in records)
    write_text(path, "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in plain))


def read_records(path: Path, cls: type[T]) -> list[T]:
    """Read what ``write_records`` wrote; enumerations come back as such."""
    # not splitlines(): a model may write U+2028 or a form feed, which JSON leaves as they are
    lines = [line for line in path.read_text(encoding="utf-8").split("\n") if line]
    if cls is dict:
        return [json.loads(line) for line in lines]
    enums = dict(_enums(cls))
    return [cls(**_revive(json.loads(line), enums)) for line in lines]


def _revive(plain: dict[str, Any], enums: dict[str, type[StrEnum]]) -> dict[str, Any]:
    return {
        key: enums[key](value) if key in enums and value is not None else value
        for key, value in plain.items()
    }


def _enums(cls: type) -> Iterable[tuple[str, type[StrEnum]]]:
    for name, hint in get_type_hints(cls).items():
        arms = get_args(hint) if isinstance(hint, UnionType) else (hint,)
        for arm in arms:
            if isinstance(arm, type) and issubclass(arm, StrEnum):
                yield name, arm
