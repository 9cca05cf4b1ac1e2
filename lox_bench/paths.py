"""Paths that were read in a file: data, which must stay below the folder they belong to."""

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
