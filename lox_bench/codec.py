"""Frozen dataclasses to and from TOML tables, JSON and JSON lines: the only reader and writer."""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import tomli_w

from lox_bench.errors import DataError, LoxBenchError, SpecError
from lox_bench.files import write_json, write_text
from lox_bench.names import Name
from lox_bench.ranges import bare, unfit
from lox_bench.strict_json import parse_json

T = TypeVar("T")
KEY_LENGTH = 20  # hexadecimal digits kept of a SHA-256
_WORDS: Mapping[Any, str] = {
    str: "text", int: "a whole number", float: "a number", bool: "true or false", NoneType: "null"
}  # fmt: skip
_SHOWN = 60  # characters of a wrong value that a message shows


def hash_of(value: Mapping[str, Any]) -> str:
    """Key of plain data: SHA-256 of its canonical JSON, shortened to ``KEY_LENGTH`` digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


def to_plain(value: Any) -> Any:
    """A dataclass, or anything made of them, as JSON holds it: objects, lists, text, numbers.

    JSON has no word for NaN and infinity: a number that is none (of a training that diverged, say)
    becomes ``null``.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {slot.name: to_plain(getattr(value, slot.name)) for slot in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.value if isinstance(value, StrEnum) else value


def from_plain(cls: type[T], plain: Any, *, where: str) -> T:
    """Build a frozen record from what ``to_plain`` made of one.

    Fields may be dataclasses, ``tuple[X, ...]``, ``Mapping[str, X]``, enumerations, text, numbers,
    a union of one of these with ``None``, or ``Any``. Only fields with a default may lack.

    Args:
        cls: the dataclass.
        plain: JSON data.
        where: what a message calls the place of ``plain``: ``runs/x/manifest.json``.

    Raises:
        DataError: the data is not of that shape; the field is named, what came and was wanted.
    """
    record: T = _record(cls, plain, where)
    return record


def write_record(path: Path, record: Any) -> None:
    """Write one dataclass as a JSON file, atomically."""
    write_json(path, to_plain(record))


def read_json(path: Path) -> Any:
    """The JSON data in a file.

    Raises:
        DataError: it cannot be read, or is no JSON.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 ({error.reason} at byte {error.start})") from error
    return parse_json(text, where=str(path))


def _record(cls: type, plain: Any, where: str) -> Any:
    if not isinstance(plain, dict):
        raise _wrong(plain, "an object", where)
    slots = {slot.name: slot for slot in fields(cls)}
    unknown = sorted(set(plain) - set(slots))
    if unknown:
        raise DataError(f"{where}: unknown field {unknown[0]!r}; known: {', '.join(slots)}")
    missing = [name for name in slots if name not in plain and _is_required(slots[name])]
    if missing:
        raise DataError(f"{where}: the field {missing[0]!r} is missing")
    hints = _hints(cls)
    return cls(**{name: _field(hints[name], plain[name], f"{where}: {name}") for name in plain})


@cache
def _hints(cls: type) -> Mapping[str, Any]:
    return get_type_hints(cls, include_extras=True)


def _is_required(slot: Any) -> bool:
    return slot.default is MISSING and slot.default_factory is MISSING


def _field(hint: Any, value: Any, where: str) -> Any:
    if bare(hint) is not hint:
        found = _field(bare(hint), value, where)
        if wanted := unfit(hint, found):
            raise _wrong(value, wanted, where)
        return found
    if hint is Any:
        return value
    if isinstance(hint, UnionType):
        (arm,) = (arm for arm in get_args(hint) if arm is not NoneType)
        return None if value is None else _field(arm, value, where)
    if get_origin(hint) is not None:
        return _container(get_origin(hint), get_args(hint), value, where)
    if isinstance(hint, type) and is_dataclass(hint):
        return _record(hint, value, where)
    return _scalar(hint, value, where)


def _container(kind: Any, args: tuple[Any, ...], value: Any, where: str) -> Any:
    if kind is tuple:
        if not isinstance(value, list):
            raise _wrong(value, "a list", where)
        return tuple(_field(args[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if not isinstance(value, dict):
        raise _wrong(value, "an object", where)
    return {key: _field(args[1], item, f"{where}.{key}") for key, item in value.items()}


def _scalar(hint: Any, value: Any, where: str) -> Any:
    if issubclass(hint, StrEnum):
        if value not in list(hint):
            raise _wrong(value, f"one of {', '.join(hint)}", where)
        return hint(value)
    if hint is Name and isinstance(value, str):
        return _named(value, lambda problem: DataError(f"{where}: {problem}"))
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is not bool and isinstance(value, bool)):
        raise _wrong(value, _WORDS.get(hint, hint.__name__), where)
    return value


def _wrong(value: Any, wanted: str, where: str) -> DataError:
    text = json.dumps(value, ensure_ascii=False)
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return DataError(f"{where}: {wanted} was wanted, not {shown}")


def write_records(path: Path, records: Iterable[Any]) -> None:
    """Write dataclasses or mappings, one JSON object a line."""
    plain = (dict(item) if isinstance(item, Mapping) else asdict(item) for item in records)
    write_text(path, "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in plain))


def read_records(path: Path, cls: type[T]) -> list[T]:
    """Read what ``write_records`` wrote, every field checked.

    Raises:
        OSError: the file cannot be read. DataError: it is not UTF-8, cut off in the midst of a
            line, or a line is not of that form (its number is given).
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 ({error.reason} at byte {error.start})") from error
    if text and not text.endswith("\n"):
        raise DataError(f"{path} is cut off in its last line")
    # not splitlines(): a model may write U+2028 or a form feed, which JSON leaves as they are
    records = []
    for number, line in enumerate(text.split("\n")[:-1], start=1):
        where = f"{path}, line {number}"
        plain = parse_json(line, where=where)
        records.append(plain if cls is dict else from_plain(cls, plain, where=where))
    return records


def to_toml(value: Any) -> str:
    """A record or table as TOML, which has no word for ``None``: such fields are left out."""
    return tomli_w.dumps(_without_none(to_plain(value)))


def _without_none(plain: Any) -> Any:
    if not isinstance(plain, dict):
        return plain
    return {key: _without_none(item) for key, item in plain.items() if item is not None}


def parse(cls: type[T], raw: Mapping[str, Any], *, where: str) -> T:
    """Build a frozen spec from a TOML table.

    Raises:
        SpecError: a key is unknown (the allowed ones are named), missing, or ill-typed.
    """
    hints = get_type_hints(cls, include_extras=True)
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


def _named(text: str, failure: Callable[[str], LoxBenchError]) -> Name:
    try:
        return Name(text)
    except ValueError as error:
        raise failure(str(error)) from error


def is_frozen(cls: type) -> bool:
    """Whether a class is a dataclass whose fields cannot be assigned to."""
    params = getattr(cls, "__dataclass_params__", None)
    return bool(params and params.frozen)


def _value(hint: Any, value: Any, where: str) -> Any:
    if bare(hint) is not hint:
        found = _value(bare(hint), value, where)
        if wanted := unfit(hint, found):
            raise SpecError(where, f"{wanted} was wanted, not {value!r}")
        return found
    if isinstance(hint, UnionType):
        hint = next(arm for arm in get_args(hint) if arm is not type(None))
    if hint is Any:
        return value
    if hasattr(hint, "__dataclass_fields__"):
        if not isinstance(value, dict):
            raise SpecError(where, f"a table was wanted, not {value!r}")
        return parse(hint, value, where=where)
    if get_args(hint):
        return _values(hint, value, where)
    return _one(hint, value, where)


def _one(hint: Any, value: Any, where: str) -> Any:
    """A text, number, truth value, or word of an enumeration."""
    if issubclass(hint, StrEnum):
        if value not in list(hint):
            raise SpecError(where, f"one of {', '.join(hint)} was wanted, not {value!r}")
        return hint(value)
    if hint is Name and isinstance(value, str):
        return _named(value, lambda problem: SpecError(where, problem))
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is not bool and isinstance(value, bool)):
        raise SpecError(where, f"{_WORDS.get(hint, hint.__name__)} was wanted, not {value!r}")
    if wanted := unfit(hint, value):
        raise SpecError(where, f"{wanted} was wanted, not {value!r}")
    return value


def _values(hint: Any, value: Any, where: str) -> Any:
    """A list of one type, or a table whose values are of one."""
    inner = get_args(hint)[0 if get_origin(hint) is tuple else 1]
    if get_origin(hint) is not tuple:
        if not isinstance(value, dict):
            raise SpecError(where, f"a table was wanted, not {value!r}")
        return {key: _value(inner, item, f"{where}.{key}") for key, item in value.items()}
    if not isinstance(value, list):
        raise SpecError(where, f"a list was wanted, not {value!r}")
    return tuple(_value(inner, item, f"{where}[{i}]") for i, item in enumerate(value))
