"""Every command that a page shows: it is read by the real parser, and (slow) it is run."""

import os
import re
import shlex
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from packaging.requirements import Requirement
from support.doc_rules import NOT_RUN, RULES, as_tried, codes_of, exempt, rules_for
from support.doc_world import furnish, furnish_judges, furnish_runs
from support.documented import ROOT, Documented, commands
from support.forked import start
from support.loopback import Loopback, served

from lox_bench.cli.main import app

COMMANDS = commands()
PAGES = sorted({command.page for command in COMMANDS})
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def lox_bench_calls(text: str) -> list[list[str]]:
    """The arguments of each ``lox-bench`` in a line, without what it is piped or written to."""
    reader = shlex.shlex(text, posix=True, punctuation_chars="|>&")
    reader.whitespace_split = True
    calls: list[list[str]] = [[]]
    for word in reader:
        if set(word) <= set("|>&"):
            calls.append([])
        else:
            calls[-1].append(word)
    return [words[1:] for words in calls if words and Path(words[0]).name == "lox-bench"]


def parsed(arguments: list[str]) -> None:
    """Read by the real parser, option by option; nothing is done."""
    command: Any = typer.main.get_command(app)
    context = None
    while True:
        context = command.make_context(command.name, list(arguments), parent=context)
        if not hasattr(command, "resolve_command"):
            return
        rest = [*context._protected_args, *context.args]
        if not rest:  # a group that does something by itself
            return
        _, command, arguments = command.resolve_command(context, rest)


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_it_can_be_read(
    command: Documented, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("lox_bench.cli.where.find_run", lambda *_: tmp_path)
    monkeypatch.setattr("lox_bench.cli.where._newer", lambda _: ())
    for arguments in lox_bench_calls(command.text):
        parsed(arguments)
    if command.program == "make":
        assert re.search(rf"^{command.words[1]}:", MAKEFILE, re.MULTILINE)
    if command.words[:2] == ["pip", "install"]:
        requirements(command.words[2:])
    if command.program.startswith("python") and command.words[1].endswith(".py"):
        assert (ROOT / command.words[1]).is_file()
    known = {"git", "lox-bench", "make", "pip", "python", "python3", "sed"}
    assert Path(command.program).name in known or exempt(command) is not None


def requirements(words: list[str]) -> None:
    """Each can be read; an extra of ours exists."""
    for word in words:
        if word.startswith(("-", ".")) or "/" in word or word.endswith((".txt", ".whl")):
            continue
        wanted = Requirement(word)
        if wanted.name == PYPROJECT["name"]:
            assert wanted.extras <= set(PYPROJECT["optional-dependencies"])


def test_every_rule_is_for_some_command() -> None:
    used = [rule for command in COMMANDS for rule in [*rules_for(command), exempt(command)]]
    assert [rule for rule in (*RULES, *NOT_RUN) if rule not in used] == []


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with served(Loopback()) as loopback:
        yield loopback.url


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any, server: str) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    furnish(folder, ROOT, tokenizer)
    furnish_judges(folder, ROOT, server)
    furnish_runs(folder)
    return folder


def run(arguments: list[str], folder: Path, codes: frozenset[int], says: str = "") -> None:
    """In a process forked from one that has imported everything; stdout and stderr in one file."""
    said = folder / "said.txt"
    child = start(
        arguments, cache=folder / "cache", said=said, cwd=folder, OPENAI_API_KEY="none",
        PYTHONPATH=str(folder / "site"),
        HF_HOME=str(folder / "hf"),
    )  # fmt: skip
    child.join(timeout=600)
    text = said.read_text(encoding="utf-8")
    shown = f"lox-bench {shlex.join(arguments)}\nexit code {child.exitcode}\n{text}"
    assert child.exitcode in codes, shown
    assert "Traceback" not in text, shown
    assert re.search(says, text), shown


@pytest.mark.slow
@pytest.mark.parametrize("command", [c for c in COMMANDS if not exempt(c)], ids=str)
def test_it_runs(command: Documented, world: Path, server: str) -> None:
    number = str(COMMANDS.index(command))
    places = {"number": number, "root": str(ROOT), "server": server, "python": sys.executable}
    text = as_tried(command, **places)
    calls = [] if text.startswith("empty/") else lox_bench_calls(text)
    says = next((rule.says for rule in rules_for(command) if rule.says), "")
    for arguments in calls:
        run(_globbed(arguments, world), world, codes_of(command), says)
    if not calls:
        # an empty environment borrows dependencies, not lox-bench: .pth files are not read there
        held = sysconfig.get_path("purelib") if text.startswith("empty/") else str(world / "site")
        more = {"PYTHONPATH": held, "LOX_BENCH_CACHE": str(world / "cache"), "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(
            shlex.split(text), cwd=world, env=os.environ | more, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


def _globbed(arguments: list[str], folder: Path) -> list[str]:
    """Patterns of paths filled in, as a shell does."""
    found: list[str] = []
    for word in arguments:
        fits = sorted(folder.glob(word)) if re.fullmatch(r"[\w./-]+/\*[\w.]*", word) else []
        found += [str(path.relative_to(folder)) for path in fits] or [word]
    return found
