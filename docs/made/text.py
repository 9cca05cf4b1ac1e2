"""Cells and tables of Markdown."""

from collections.abc import Iterable, Sequence


def cell(text: object) -> str:
    """One cell: on one line, its bars escaped."""
    return " ".join(str(text).split()).replace("|", "\\|")


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """A table's lines; nothing if there is no row."""
    held = ["| " + " | ".join(map(cell, row)) + " |" for row in rows]
    top = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return [*top, *held, ""] if held else []


def docstring(thing: object) -> str:
    """What an object says of itself, in Markdown: reST's double backticks become single ones."""
    import inspect

    return (inspect.getdoc(thing) or "").replace("``", "`")
