"""What ``-h`` shows: paragraphs flow, examples can be copied, brackets are text."""

import copy
import re
from collections.abc import Iterator
from typing import Any, Final, TypeVar

from rich.markup import escape
from typer.core import TyperCommand, TyperGroup

_WIDTH: Final = 76  # columns of an example: a terminal of 80 shows it whole
_REMARK: Final = re.compile(r"^(?P<command>.*?\S)\s{2,}(?P<remark>\(.*\))$")
Command = TypeVar("Command", bound="Shown | ShownGroup")
_BEFORE_OPTION: Final = re.compile(r" (?=--?[a-z])| (?=[>|] )")


class Shown(TyperCommand):
    """A command whose help is laid out for any width."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Show a copy of the command whose texts are laid out."""
        TyperCommand.format_help(laid_out(self), ctx, formatter)


class ShownGroup(TyperGroup):
    """The same for a command of commands."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Show a copy of the group whose texts are laid out."""
        TyperGroup.format_help(laid_out(self), ctx, formatter)


def laid_out(command: Command) -> Command:
    """A copy of the command with its texts as rich takes them."""
    shown = copy.copy(command)
    shown.help = flowing(command.help or "")
    shown.params = [_plain(param) for param in command.params]
    return shown


def flowing(text: str) -> str:
    """Paragraphs as one line each, examples folded before options; rich's markup means nothing."""
    paragraphs = [paragraph.splitlines() for paragraph in text.strip().split("\n\n")]
    return escape("\n\n".join("\n".join(_flow(lines)) for lines in paragraphs))


def _flow(lines: list[str]) -> Iterator[str]:
    prose: list[str] = []
    for line in lines:
        if line.startswith("  "):
            if prose:
                yield " ".join(prose)
                prose = []
            yield from folded(line)
        else:
            prose.append(line.strip())
    if prose:
        yield " ".join(prose)


def folded(line: str) -> Iterator[str]:
    """A command that fits, its remark behind or below it."""
    if len(line) <= _WIDTH:
        yield line
        return
    found = _REMARK.match(line)
    rest, remark = (found["command"], found["remark"]) if found else (line, "")
    held = ""
    for part in _BEFORE_OPTION.split(rest):
        if held and len(f"{held} {part} \\") > _WIDTH:
            yield f"{held} \\"
            held = f"      {part}"
        else:
            held = f"{held} {part}" if held else part
    yield held
    if remark:
        yield f"      {remark}"


def _plain(param: Any) -> Any:
    """The parameter, with a help text that is text."""
    said = getattr(param, "help", None)
    if not said:
        return param
    shown = copy.copy(param)
    shown.help = escape(said)
    return shown
