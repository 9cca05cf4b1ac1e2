"""Paths that were read in a file: data, which must stay below the folder they belong to."""

from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

from lox_bench.errors import DataError


def plain_path(text: str, *, where: str) -> PurePosixPath:
    """The relative path that ``text`` is, which climbs nowhere.

    Args:
        text: a relative path with ``/``, as it stands in the file.
        where: what a message calls the place of ``text``: ``model.safetensors.index.json``.

    Raises:
        DataError: it is absolute, climbs (``..``), or names nothing.
    """
    parts = PurePosixPath(text)
    unfit = not text.strip() or "\0" in text or "\\" in text or parts.is_absolute()
    if unfit or ".." in parts.parts or parts == PurePosixPath():
        raise DataError(f"{where}: the name of a file beside it was wanted, not {text!a}")
    return parts


def inside(root: Path, text: str, *, where: str) -> Path:
    """The file that ``text`` names below ``root``; links are followed only within ``root``.

    Raises:
        DataError: ``text`` is no such path (``plain_path``), or a link leads out of ``root``.
    """
    path = root / plain_path(text, where=where)
    if not path.resolve().is_relative_to(root.resolve()):
        raise DataError(f"{where}: {text!a} is a link that leads out of {root}")
    return path


def beside(folder: Traversable, text: str, *, where: str, or_a_name: bool) -> str:
    """The path of the file that a spec in ``folder`` names; what is no file's name stays one.

    Args:
        folder: where the spec lies, on disk or in a package.
        text: what it says.
        where: what a message calls the place of ``text``: ``mine.toml: data.file``.
        or_a_name: whether ``text`` may be the name of something registered.

    Raises:
        DataError: it is a path out of the folder: what comes from a file leads nowhere else.
    """
    file = folder.joinpath(*plain_path(text, where=where).parts)
    if isinstance(folder, Path) and (file.is_file() or not or_a_name):
        return str(inside(folder, text, where=where))
    return str(file) if file.is_file() else text
