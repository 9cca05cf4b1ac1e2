"""CONTRIBUTING.md quotes the repository: every path exists, every block is what the file holds."""

import re
from collections.abc import Iterator
from pathlib import Path

from lox_bench.cli.main import app

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
TOP = {path.name for path in ROOT.iterdir()}


def fences() -> Iterator[tuple[str, str, str]]:
    """Language, content, and the text since the fence before."""
    prose, *rest = re.split(r"^```", TEXT, flags=re.MULTILINE)
    for opened, after in zip(rest[::2], rest[1::2], strict=True):
        language, _, content = opened.partition("\n")
        yield language, content, prose
        prose = after


FENCES = list(fences())


def lines_in(block: list[str], path: str) -> bool:
    """Whether a file holds these lines one after another."""
    held = (ROOT / path).read_text(encoding="utf-8").splitlines()
    return any(held[at : at + len(block)] == block for at in range(len(held)))


def hunks(diff: str) -> Iterator[tuple[str, list[str]]]:
    """The lines that each file must hold."""
    for part in diff.split("+++ ")[1:]:
        path, *lines = part.splitlines()
        yield path, [line[1:] for line in lines]


def test_every_path_exists() -> None:
    quoted = re.findall(r"`([\w./-]+)`", "".join(prose for *_, prose in FENCES) + TEXT)
    linked = [target.partition("#")[0] for target in re.findall(r"\]\(([^)]+)\)", TEXT)]
    paths = [item for item in [*quoted, *linked] if item.split("/")[0] in TOP]
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_quoted_block_is_what_its_file_holds() -> None:
    blocks = [fence for fence in FENCES if fence[0] in {"python", "toml", "json"}]
    assert len(blocks) > 10
    for _, content, prose in blocks:
        path = re.findall(r"`([\w./-]+)`", prose)[-1]
        lines = content.splitlines()
        assert lines_in(lines, path), f"{path} does not hold:\n{content}"
        held = (ROOT / path).read_text(encoding="utf-8").splitlines()
        assert "all of it:" not in prose.splitlines()[-2] or lines == held, path


def test_every_line_of_a_diff_is_in() -> None:
    found = [
        hunk for language, content, _ in FENCES if language == "diff" for hunk in hunks(content)
    ]
    assert len(found) > 3
    for path, lines in found:
        assert lines_in(lines, path), f"{path} does not hold {lines}"


def test_the_picture_shows_every_room_on_its_floor() -> None:
    (picture,) = (content for language, content, _ in FENCES if language == "text")
    floors = [line.partition("|")[0].split() for line in picture.splitlines()]
    source = (ROOT / "tests/package/test_layers.py").read_text(encoding="utf-8")
    house = re.findall(r'"(\w+)"', source.partition("HOUSE = (")[2].partition(")")[0])
    assert [room for floor in reversed(floors) for room in floor] == house


def test_every_command_exists() -> None:
    said = "".join(content for language, content, _ in FENCES if language == "sh")
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert set(re.findall(r"^make ([\w-]+)", said, flags=re.MULTILINE)) <= set(targets)
    known = {info.name for info in app.registered_commands}
    assert set(re.findall(r"^lox-bench ([\w-]+)", said, flags=re.MULTILINE)) <= known
