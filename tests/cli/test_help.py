"""``-h`` of every command at 80 columns: nothing cut, examples whole, brackets kept."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from lox_bench.cli.help_page import flowing
from lox_bench.cli.main import app


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and group of commands, with the words that call it."""
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*path, name))


ALL = list(commands(typer.main.get_command(app)))


def words(text: str) -> str:
    return re.sub(r"[\s│]+", " ", text)


@pytest.mark.parametrize(("path", "command"), ALL, ids=[" ".join(path) or "-" for path, _ in ALL])
def test_all_of_it_is_shown_at_80_columns(
    path: tuple[str, ...], command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    done = CliRunner().invoke(app, [*path, "-h"])
    assert done.exit_code == 0
    assert max(map(len, done.output.splitlines())) <= 80
    shown = re.sub(r" \\\s*\n\s*", " ", done.output)  # a command over two lines
    for line in (command.help or "").splitlines():
        assert words(re.sub(r"\s{2,}", " ", line)).strip() in words(shown)
    for param in command.params:
        for bracketed in re.findall(r"\[[^\]]*\]", getattr(param, "help", "") or ""):
            assert bracketed in words(done.output), param.name


def test_an_example_too_long_is_folded_before_an_option_and_can_be_copied() -> None:
    long = f'  lox-bench run --models "aligned,{"lox(k=2)," * 4}lox" --print-study > study.toml'
    text = flowing(f"One line\nof prose.\n\nExamples:\n{long}     (a remark)\n")
    assert "One line of prose." in text
    folded = text.split("Examples:\n")[1].splitlines()
    assert max(map(len, folded)) <= 76
    assert folded[0].endswith(" \\")
    assert folded[-1].strip() == "(a remark)"
    joined = " ".join(line.removesuffix(" \\").strip() for line in folded[:-1])
    assert joined == long.strip()
