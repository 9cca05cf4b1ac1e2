"""The site: what is made from the code names all that the code has; links lead somewhere."""

import dataclasses
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
from support.documented import ROOT, pages

from lox_bench.cli.main import app
from lox_bench.data.prompts import load_task
from lox_bench.registry import CODE, Kind, names_of

MADE = {"reference/cli.md", "reference/files.md", "reference/plug-ins.md", "prompt-sets.md"}


@pytest.fixture(scope="module")
def made() -> Iterator[dict[str, ModuleType]]:
    """The modules that make pages, from docs/made."""
    sys.path.insert(0, str(ROOT / "docs"))
    from made import cards, cli, plugins, specs

    yield {"cards": cards, "cli": cli, "plugins": plugins, "specs": specs}
    sys.path.remove(str(ROOT / "docs"))


def test_every_command_and_option_is_in(made: dict[str, Any]) -> None:
    page = made["cli"].page()
    found = list(made["cli"].leaves(typer.main.get_command(app)))
    assert len(found) > 15
    for path, command in found:
        assert f"## `{path}`" in page
        section = page.split(f"## `{path}`\n")[1].split("\n## ")[0]
        options = [one for one in command.params if one.param_type_name == "option"]
        shown = [one for one in options if not one.hidden and one.name != "help"]
        assert all(f"`{name}`" in section for one in shown for name in one.opts)


def test_every_kind_of_file_is_in_key_by_key(made: dict[str, Any]) -> None:
    specs, page = made["specs"], made["specs"].page()
    assert {*specs.SPECS, *CODE} == set(Kind)
    for classes in specs.SPECS.values():
        for cls in classes:
            for field in dataclasses.fields(cls):
                assert re.search(rf"\| `\[?{field.name}\]?` \|", page), field.name


def test_every_prompt_set_has_a_card(made: dict[str, Any]) -> None:
    page = made["cards"].page()
    for name in names_of(Kind.TASKS):
        card = page.split(f"\n### `{name}`\n")[1].split("\n#")[0]
        for fact in ("licence", "left out", "counts"):
            assert f"| {fact} |" in card
        published = load_task(name).published
        if published is None:
            assert "SHA-256" in card
            continue
        assert f"| rows | {published.rows or 'not known'}" in card
        assert published.licence in card
        assert all(file in card for file in published.files)
        assert published.gated in card


def test_every_group_and_everything_that_ships_is_in(made: dict[str, Any]) -> None:
    page = made["plugins"].page()
    for kind in Kind:
        assert re.search(rf"`lox_bench\.\w+`.*{'code' if kind in CODE else 'folder'}", page)
    for kind in (Kind.METHODS, Kind.ATTACKS, Kind.JUDGES, Kind.BACKENDS):
        assert all(f"| `{name}` |" in page for name in names_of(kind))
    for name in ("TensorMethod", "CodeJudge", "BuildGenerator", "SftJob", "check_method"):
        assert name in page


FENCES = re.MULTILINE | re.DOTALL
LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)\s]*)?\)")


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(
        r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    for target in LINK.findall(text):
        if not re.match(r"[a-z]+:", target):
            meant = (page.parent / target).resolve()
            assert meant.exists() or str(meant.relative_to(ROOT / "docs")) in MADE, target


def test_every_page_has_its_place_in_the_navigation() -> None:
    """What has none comes last, below More, where nobody looks for it."""
    named = re.findall(r"[\w./-]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert [page.name for page in (ROOT / "docs").glob("*.md") if page.name not in named] == []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.slow
def test_the_site_is_built_strictly(site: Path) -> None:
    found = {str(page.parent.relative_to(site)) for page in site.rglob("index.html")}
    assert {"concepts", *(place.removesuffix(".md") for place in MADE)} <= found
    assert {f"project/{name}" for name in ("contributing", "security", "readme")} <= found
    assert {f"examples/{page.parent.name}" for page in ROOT.glob("examples/*/README.md")} <= found
    held = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    assert len(held["docs"]) > len(found)


@pytest.mark.slow
def test_no_page_asks_another_machine_for_anything(site: Path) -> None:
    """Fonts, scripts and pictures are the site's own."""
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        tags = re.findall(r"<(?:script|img|link|iframe)\b[^>]*>", text)
        assert [tag for tag in tags if re.search(r"(?:src|href)=.?https?:", tag)] == [], page
