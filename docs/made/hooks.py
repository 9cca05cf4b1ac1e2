"""What mkdocs calls: adds the pages made from the code and those that lie outside docs/.

A link of any page that leads to a file of the repository which is no page (a source file, a folder)
becomes that file's path: the site knows no address of the repository.
"""

import os
import re
import sys
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

from made import cards, cli, plugins, specs  # noqa: E402 - beside this file, which is no package's

MADE = {
    "reference/cli.md": cli.page,
    "reference/files.md": specs.page,
    "reference/plug-ins.md": plugins.page,
    "prompt-sets.md": cards.page,
}
OUTSIDE = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "CODE_OF_CONDUCT.md")
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
_MORE = "More"


def outside() -> dict[str, str]:
    """Pages that lie elsewhere in the repository, by their place on the site."""
    places = {f"project/{name.lower()}": name for name in OUTSIDE}
    for readme in sorted((ROOT / "examples").rglob("README.md")):
        inside = readme.relative_to(ROOT)
        places[f"examples/{inside.parent.name}.md"] = str(inside)
    places["examples/index.md"] = places.pop("examples/examples.md")
    return places


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Pages of docs/ that the navigation does not name come last, so that none is lost."""
    named = re.findall(r"[\w./-]+\.md", str(config.nav))
    folder = ROOT / "docs"
    rest = sorted(str(page.relative_to(folder)) for page in folder.rglob("*.md"))
    more = [page for page in rest if page not in named and "decisions/" not in page]
    decisions = [page for page in rest if page not in named and "decisions/" in page]
    for title, pages in ((_MORE, more), ("Decisions", decisions)):
        if pages and config.nav is not None:
            config.nav.append({title: pages})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """All of them."""
    for place, page in MADE.items():
        files.append(File.generated(config, place, content=page()))
    for place, source in outside().items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links as they hold in the repository, turned into such as hold on the site."""
    del config
    here = page.file.src_uri
    source = outside().get(here, f"docs/{here}")
    places = {repository: place for place, repository in outside().items()}

    def turned(match: re.Match[str]) -> str:
        bang, text, target = match.groups()
        path, hash_, anchor = target.partition("#")
        if not path or re.match(r"[a-z]+:", target):
            return match.group()
        meant = _joined(source, path)
        place = places.get(meant, meant.removeprefix("docs/"))
        known = meant in places or meant.startswith("docs/")
        if known and files.get_file_from_path(place) is not None:
            return f"{bang}[{text}]({_relative(here, place)}{hash_}{anchor})"
        if (ROOT / meant).exists():
            return text if "`" in text else f"{text} (`{meant}`)"
        return match.group()

    return _outside_fences(markdown, turned)


def _outside_fences(markdown: str, turned: Any) -> str:
    """Links replaced everywhere but in code."""
    parts = re.split(r"(^```.*?^```)", markdown, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if part.startswith("```") else _LINK.sub(turned, part) for part in parts)


def _joined(source: str, path: str) -> str:
    """The path from the repository's root that a link of a file means."""
    parts: list[str] = []
    for part in (PurePosixPath(source).parent / path).parts:
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _relative(here: str, place: str) -> str:
    return os.path.relpath(place, str(PurePosixPath(here).parent))
