"""Frozen dataclasses to and from TOML tables, JSON lines and CSV: the only reader and writer."""

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, fields
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_type_hints

from lox_bench.errors import SpecError
from lox_bench.files import write_text

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


def read_toml(file: Path) -> dict[str, Any]:
    """Read a TOML file of the user's.

    Raises:
        SpecError: it cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(str(file), f"cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(str(file), f"is no TOML ({error})") from error


def parse(cls: type[T], raw: Mapping[str, Any], *, where: str) -> T:
    """Build a frozen spec from a TOML table.

    Raises:
        SpecError: a key is unknown (the allowed ones are named), missing, or ill-typed.
    """
    hints = get_type_hints(cls)
    slots = {slot.name: slot for slot in fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(raw) - set(slots))
    if unknown:
        raise SpecError(where, f"unknown key {unknown[0]!r}; allowed: {', '.join(slots)}")
    missing = [
        name
        for name, slot in slots.items()
        if name not in raw and slot.default is MISSING and slot.default_factory is MISSING
    ]
    if missing:
        raise SpecError(where, f"missing key {missing[0]!r}")
    return cls(**{key: _value(hints[key], raw[key], f"{where}: {key}") for key in raw})


def is_frozen(cls: type) -> bool:
    """Whether a class is a dataclass whose fields cannot be assigned to."""
    params = getattr(cls, "__dataclass_params__", None)
    return bool(params and params.frozen)


def _value(hint: Any, value: Any, where: str) -> Any:
    if isinstance(hint, UnionType):
        hint = next(arm for arm in get_args(hint) if arm is not type(None))
    if hasattr(hint, "__dataclass_fields__"):
        if not isinstance(value, dict):
            raise SpecError(where, f"a table was wanted, not {value!r}")
        return parse(hint, value, where=where)
    if get_args(hint):
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise SpecError(where, f"a list of strings was wanted, not {value!r}")
        return tuple(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is not bool and isinstance(value, bool)):
        raise SpecError(where, f"{hint.__name__} was wanted, not {value!r}")
    return value
