"""The commands and their options, from typer."""

import inspect
from collections.abc import Iterator
from typing import Any

import typer

from lox_bench.cli.help_page import folded
from lox_bench.cli.main import app
from made.text import cell, table

_HEAD = """# Commands

Made from the program's own options when this site is built; `lox-bench COMMAND -h` says the same.
"""
_OTHER = "options"


def page() -> str:
    """The whole page."""
    lines = [_HEAD]
    for path, command in leaves(typer.main.get_command(app)):
        lines += _section(path, command)
    return "\n".join(lines)


def leaves(command: Any, path: str = "lox-bench") -> Iterator[tuple[str, Any]]:
    """Every command that does something, with the words that call it, in the program's order."""
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, inner in command.commands.items():
        if not inner.hidden:
            yield from leaves(inner, f"{path} {name}")


def _section(path: str, command: Any) -> list[str]:
    said, _, examples = inspect.cleandoc(command.help or "").partition("Example")
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    usage = " ".join([path, "[OPTIONS]", *(_metavar(one) for one in arguments)])
    lines = [f"## `{path}`", "", "```text", usage, "```", "", said.strip().replace("``", "`"), ""]
    lines += _examples(examples)
    lines += table(
        ("argument", "what it is"), [(f"`{_metavar(one)}`", _help(one)) for one in arguments]
    )
    for panel, options in _panels(command).items():
        head = (panel, "what it does", "default")
        lines += table(head, [(_names(one), _help(one), _default(one)) for one in options])
    return lines


def _examples(text: str) -> list[str]:
    """The block of examples, and what stands below it."""
    _, _, below = text.partition(":")
    indented = [line for line in below.splitlines() if line.startswith("  ")]
    rest = "\n".join(line for line in below.splitlines() if not line.startswith("  ")).strip()
    whole = [part for line in indented if line.strip() for part in folded(line)]
    shown = [line.removeprefix("  ") for line in whole]
    return [*(["```text", *shown, "```", ""] if shown else []), rest.replace("``", "`"), ""]


def _panels(command: Any) -> dict[str, list[Any]]:
    """Options by the group that the program shows them in."""
    found: dict[str, list[Any]] = {}
    for one in command.params:
        if one.param_type_name == "option" and not one.hidden and one.name != "help":
            found.setdefault(getattr(one, "rich_help_panel", None) or _OTHER, []).append(one)
    return found


def _metavar(one: Any) -> str:
    return str(one.metavar or one.name.upper())


def _names(one: Any) -> str:
    return ", ".join(f"`{name}`" for name in [*one.opts, *one.secondary_opts])


def _help(one: Any) -> str:
    return cell(getattr(one, "help", "") or "").replace("\\|", "|")


def _default(one: Any) -> str:
    if one.required:
        return "required"
    value = getattr(one.default, "value", one.default)
    empty = value is None or value is False or value == "" or callable(value)
    return "" if empty or "UNSET" in repr(value) else f"`{value}`"
