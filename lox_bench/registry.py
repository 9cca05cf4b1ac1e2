"""Where things are found by name: ours, other people's packages', and single files.

Of each kind there are

- ours: TOML files that ship with the package, or code named in ``shipped.py``; known as ``name``
  and ``lox-bench/name``;
- those that installed packages offer as entry points of the kind's group; known as
  ``package/name`` and, where nobody else has it, ``name``;
- files of the user's: ``FILE.toml``, or ``FILE.py:attr`` for code.

Listing reads names only: it imports no module, ours or other people's.
"""

import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib import import_module, metadata, resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final, TypeVar

from lox_bench.codec import parse
from lox_bench.errors import SpecError, UnknownNameError, UsageError
from lox_bench.paths import beside
from lox_bench.pyfile import load_file
from lox_bench.shipped import CODE
from lox_bench.strict_toml import read_toml

T = TypeVar("T")

OURS: Final = "lox-bench"
_FIT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # to be part of a file's name


class Kind(StrEnum):
    """What can be registered."""

    METHODS = "methods"
    ATTACKS = "attacks"
    TASKS = "tasks"
    UTILITIES = "utilities"
    JUDGES = "judges"
    BACKENDS = "backends"
    FAMILIES = "families"
    STUDIES = "studies"
    REPRODUCTIONS = "reproductions"


@dataclass(frozen=True, slots=True)
class _Place:
    singular: str
    group: str  # of entry points
    folder: str = ""  # of our TOML files, below tasks/ or judges/; empty: the kind is code


_PLACES: Final[Mapping[Kind, _Place]] = {
    Kind.METHODS: _Place("method", "lox_bench.methods"),
    Kind.ATTACKS: _Place("attack", "lox_bench.attacks", "tasks/attacks"),
    Kind.TASKS: _Place("task", "lox_bench.prompts", "tasks/sets"),
    Kind.UTILITIES: _Place("utility", "lox_bench.utilities", "tasks/utility"),
    Kind.JUDGES: _Place("judge", "lox_bench.judges", "judges"),
    Kind.BACKENDS: _Place("backend", "lox_bench.backends"),
    Kind.FAMILIES: _Place("family", "lox_bench.families", "tasks/families"),
    Kind.STUDIES: _Place("study", "lox_bench.studies", "tasks/studies"),
    Kind.REPRODUCTIONS: _Place("reproduction", "lox_bench.reproductions", "tasks/reproductions"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """Something registered: ``where`` is ``module:attr``, or the TOML file itself."""

    name: str
    package: str
    where: str | Traversable

    @property
    def full(self) -> str:
        """``package/name``, which is never ambiguous."""
        return f"{self.package}/{self.name}"


@dataclass(frozen=True, slots=True)
class Table:
    """A TOML file as it was read; ``folder`` is where files that it names are looked up first."""

    raw: dict[str, Any]
    where: str
    folder: Traversable


def entries(kind: Kind) -> list[Entry]:
    """Everything of a kind that is known by name, ours first.

    Raises:
        UsageError: a package registers one name twice.
    """
    kind = Kind(kind)
    ours = [Entry(name, OURS, where) for name, where in CODE.get(kind, {}).items()]
    ours += [Entry(name, OURS, file) for name, file in _files(kind)]
    found = ours + list(_offered(_PLACES[kind].group))
    for full, times in Counter(entry.full for entry in found).items():
        if times > 1:
            said = " and ".join(str(entry.where) for entry in found if entry.full == full)
            raise UsageError(f"{_PLACES[kind].singular} {full!r} is registered twice: {said}")
    return found


def names_of(kind: str) -> list[str]:
    """Names of everything of a kind that ships with lox-bench; what others add is in ``entries``.

    Defaults that mean "all of them" mean these: installing a package changes no one's results.
    """
    shipped = [name for name, _ in _files(Kind(kind))]
    return sorted([*CODE.get(Kind(kind), {}), *shipped])


def find(kind: Kind, name: str) -> Entry:
    """What a name stands for.

    Raises:
        UnknownNameError: nothing; the nearest name is suggested.
        UsageError: two packages offer it; both full names are said.
    """
    known = entries(kind)
    fitting = [entry for entry in known if name in {entry.name, entry.full}]
    if len(fitting) > 1:
        full = " or ".join(entry.full for entry in fitting)
        raise UsageError(
            f"{_PLACES[kind].singular} {name!r} is offered by "
            f"{' and by '.join(entry.package for entry in fitting)}; write {full}"
        )
    if not fitting:
        names = {entry.name for entry in known} | {
            entry.full for entry in known if entry.package != OURS
        }
        raise UnknownNameError(_PLACES[kind].singular, name, names)
    return fitting[0]


def load(kind: Kind, name: str) -> Any:
    """What a name, ``FILE.py:attr`` or ``FILE.toml`` stands for: an object, or a ``Table``.

    Raises:
        UnknownNameError, UsageError: see ``find``.
        SpecError: the file, module or object cannot be had.
    """
    if name.endswith(".py"):
        raise SpecError(name, "which of its names is meant? Write FILE.py:NAME")
    file, _, attr = name.rpartition(":")
    if file.endswith(".py"):
        return _attribute(load_file(Path(file).expanduser()), attr, name)
    if name.endswith(".toml"):
        path = Path(name).expanduser()
        return Table(read_toml(path), name, path.absolute().parent)
    entry = find(kind, name)
    return _resolved(kind, entry)


def load_code(kind: Kind, name: str) -> Any:
    """As ``load``, for kinds that are code.

    Raises:
        SpecError: it is a TOML file; and see ``load``.
    """
    found = load(kind, name)
    if isinstance(found, Table):
        raise SpecError(name, f"a {_PLACES[kind].singular} is code: FILE.py:NAME was wanted")
    return found


def load_spec(cls: type[T], kind: Kind, name: str, files: Sequence[str] = ()) -> T:
    """Read a spec by name, from a file of the user's, or from another package.

    Args:
        cls: the spec's frozen dataclass.
        kind: where to look.
        name: of the spec; a path ending in ``.toml``; or ``FILE.py:attr``.
        files: keys, dotted where nested, that may name files (``data.standin``): one that lies
            beside the TOML file comes back with its folder, any other as it is.

    Raises:
        UnknownNameError, UsageError: see ``find``.
        SpecError: it cannot be read, or a key is unknown, missing, or ill-typed.
    """
    found = load(kind, name)
    if isinstance(found, Table):
        found = parse(cls, located(found, files).raw, where=found.where)
    if not isinstance(found, cls):
        raise SpecError(name, f"{cls.__name__} or a TOML file was wanted, not {found!r}")
    called = str(getattr(found, "name", ""))
    if not _FIT.fullmatch(called):
        raise SpecError(
            name, f"name: letters, digits, '.', '_' and '-' were wanted, not {called!r}"
        )
    return found


def located(table: Table, files: Iterable[str]) -> Table:
    """The table with the folder put before files that lie beside it; see ``load_spec``.

    Raises:
        DataError: such a key names a file elsewhere.
    """
    for dotted in files:
        *parents, key = dotted.split(".")
        inner: Any = table.raw
        for parent in parents:
            inner = inner.get(parent) if isinstance(inner, dict) else None
        if isinstance(inner, dict) and isinstance(inner.get(key), str) and inner[key]:
            where, ours = f"{table.where}: {dotted}", not dotted.endswith(".file")
            inner[key] = beside(table.folder, inner[key], where=where, or_a_name=ours)
    return table


def data_file(name: str) -> Traversable:
    """A file that a spec names: an absolute path, or one of ours below ``tasks/``."""
    return Path(name) if Path(name).is_absolute() else packaged_file(name)


def packaged_file(name: str) -> Traversable:
    """A data file below ``tasks/``, such as ``prompts/harmful-eval.jsonl``."""
    return resources.files("lox_bench.assets.tasks").joinpath(*name.split("/"))


def _files(kind: Kind) -> list[tuple[str, Traversable]]:
    place = _PLACES[kind]
    if not place.folder:
        return []
    top, *below = place.folder.split("/")
    folder = resources.files(f"lox_bench.assets.{top}").joinpath(*below)
    files = (file for file in folder.iterdir() if file.name.endswith(".toml"))
    return sorted((file.name.removesuffix(".toml"), file) for file in files)


def _offered(group: str) -> Iterable[Entry]:
    for point in _points(group, tuple(sys.path)):
        package = point.dist.name if point.dist else "unknown"
        yield Entry(point.name, package, point.value)


@lru_cache(maxsize=32)
def _points(group: str, path: tuple[str, ...]) -> tuple[metadata.EntryPoint, ...]:
    """A group's entry points in installed packages, read once for a search path."""
    del path
    return tuple(metadata.entry_points(group=group))


def _resolved(kind: Kind, entry: Entry) -> Any:
    if not isinstance(entry.where, str):
        return _table(entry.where, f"{kind}/{entry.name}.toml")
    module, _, attr = entry.where.partition(":")
    try:
        found = _attribute(import_module(module), attr, entry.full)
    except ImportError as error:
        raise SpecError(entry.full, f"{module} cannot be imported ({error})") from error
    if not isinstance(found, Traversable):
        return found
    return _table(found / f"{entry.name}.toml" if found.is_dir() else found, entry.full)


def _table(file: Traversable, where: str) -> Table:
    if isinstance(file, Path):
        return Table(read_toml(file), where, file.parent)
    raw = tomllib.loads(file.read_text(encoding="utf-8"))
    return Table(raw, where, packaged_file(""))


def _attribute(module: Any, attr: str, where: str) -> Any:
    found = module
    for part in attr.split("."):
        found = getattr(found, part, None)
    if not attr or found is None:
        raise SpecError(where, f"{module.__name__} has no {attr!r}")
    return found
