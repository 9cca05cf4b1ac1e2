"""Where things are found by name: the data files that ship with the package."""

import tomllib
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, TypeVar

from lox_bench.codec import parse
from lox_bench.errors import UnknownNameError

T = TypeVar("T")


def names_of(kind: str) -> list[str]:
    """Names of all packaged specs of a kind (``families``, ``attacks``, ``judges``, ...)."""
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in folder_of(kind).iterdir()
        if entry.name.endswith(".toml")
    )


def packaged_file(name: str) -> Traversable:
    """A data file below ``tasks/``, such as ``prompts/harmful-eval.jsonl``."""
    return resources.files("lox_bench.assets.tasks").joinpath(*name.split("/"))


def folder_of(kind: str) -> Traversable:
    """The folder that holds all packaged specs of a kind."""
    if kind == "judges":
        return resources.files("lox_bench.assets.judges")
    return resources.files("lox_bench.assets.tasks") / ("sets" if kind == "tasks" else kind)


def load_packaged(cls: type[T], kind: str, singular: str, name: str) -> T:
    """Read a packaged spec by name.

    Raises:
        UnknownNameError: there is none.
    """
    return parse(cls, packaged(kind, singular, name), where=f"{kind}/{name}.toml")


def packaged(kind: str, singular: str, name: str) -> dict[str, Any]:
    """The table of a packaged TOML file."""
    known = names_of(kind)
    if name not in known:
        raise UnknownNameError(singular, name, known)
    return tomllib.loads((folder_of(kind) / f"{name}.toml").read_text(encoding="utf-8"))


class _Methods:
    table = {
        "lox": "lox_bench.methods.lox:Lox",
        "expo": "lox_bench.methods.expo:Expo",
        "random-k": "lox_bench.methods.random_k:RandomK",
        "bottom-k": "lox_bench.methods.bottom_k:BottomK",
        "safe-lora": "lox_bench.methods.safe_lora:SafeLora",
        "wise-ft": "lox_bench.methods.wise_ft:WiseFt",
        "truncated": "lox_bench.diagnostics.truncated:Truncated",
    }

    def names(self):
        return list(self.table)

    def __contains__(self, name):
        return name in self.table

    def load(self, name):
        import importlib

        module, _, attr = self.table[name].partition(":")
        return getattr(importlib.import_module(module), attr)


METHODS = _Methods()
