"""Code of the user's that lies in a single file: loaded as a module, and known by its content."""

import hashlib
import sys
from contextlib import suppress
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from lox_bench.errors import SpecError

_DIGITS = 12
PREFIX = "lox_bench_file_"


def load_file(file: Path) -> ModuleType:
    """Import a Python file, once for each content.

    The module is in ``sys.modules`` under a name made of the file's and its SHA-256, which it
    also holds as ``__sha256__``.

    Raises:
        SpecError: it cannot be read, or fails while it is imported.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise SpecError(str(file), f"cannot be read ({error.strerror})") from error
    sha256 = hashlib.sha256(content).hexdigest()
    name = f"{PREFIX}{file.stem}_{sha256[:_DIGITS]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise SpecError(str(file), "is no Python file")
    module = module_from_spec(spec)
    module.__dict__["__sha256__"] = sha256
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise SpecError(str(file), f"fails on import ({type(error).__name__}: {error})") from error
    return module


def loaded_files() -> tuple[tuple[str, bytes], ...]:
    """Name and content of every file loaded so far, for other processes to load.

    Raises:
        SpecError: one has changed since, or is gone.
    """
    files = [module for name, module in sys.modules.items() if name.startswith(PREFIX)]
    return tuple(_unchanged(module) for module in files)


def _unchanged(module: ModuleType) -> tuple[str, bytes]:
    file = Path(str(module.__file__))
    with suppress(OSError):
        content = file.read_bytes()
        if hashlib.sha256(content).hexdigest() == module.__dict__["__sha256__"]:
            return file.name, content
    raise SpecError(str(file), "changed while it was in use; run the command again")


def code_identity(cls: type[Any]) -> dict[str, str]:
    """What pins a class of anybody's: its module and name, and the SHA-256 of the module's file."""
    module = sys.modules[cls.__module__]
    known = getattr(module, "__sha256__", None)
    if known is None and module.__file__:
        known = hashlib.sha256(Path(module.__file__).read_bytes()).hexdigest()
    return {"code": f"{cls.__module__}:{cls.__qualname__}", "sha256": str(known or "")}
