"""STUB until the methods room is merged."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from lox_bench.errors import UsageError
from lox_bench.grammar import Call
from lox_bench.registry import METHODS


def build_method(call: Call, defaults_of: Callable[[str], Mapping[str, Any]]) -> Any:
    cls = METHODS.load(call.name)
    held = dict(defaults_of(getattr(cls, "family_defaults", "")))
    names = [slot.name for slot in fields(cls)]
    values = {key: value for key, value in held.items() if key in names}
    for key, text in call.args.items():
        if key not in names:
            raise UsageError(f"it takes {', '.join(names)}")
        values[key] = (
            None
            if text == "full"
            else (int(text) if key in ("k", "seed", "r", "layers") else float(text))
        )
    return cls(**values)
