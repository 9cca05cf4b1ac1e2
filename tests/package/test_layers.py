"""The architecture: a package imports those before it in this list, never those after it."""

import ast
from pathlib import Path

import lox_bench

ROOT = Path(lox_bench.__file__).parent
HOUSE = (
    "errors", "names", "paths", "ranges", "types", "grammar", "devices", "provenance", "files",
    "strict_json", "strict_toml", "harmless", "codec", "assets", "pyfile", "shipped",
    "registry", "engine", "stats", "serving", "sources", "data", "weights", "backends",
    "training", "alignment",
    "attacks", "methods", "judges", "utility",
    "results", "compare", "gate", "study", "search", "report", "interchange", "diagnostics",
    "testing", "cli",
)  # fmt: skip


def test_imports_point_downwards_only() -> None:
    upward = []
    for file in ROOT.rglob("*.py"):
        here, *_ = file.relative_to(ROOT).with_suffix("").parts
        rooms = {name.split(".")[1] for name in imports(file) if name.startswith("lox_bench.")}
        above = HOUSE[HOUSE.index(here) + 1 :] if here in HOUSE else ()
        upward += [f"{file.relative_to(ROOT)} imports {room}" for room in rooms.intersection(above)]
    assert not upward


def test_every_room_has_its_floor() -> None:
    rooms = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert rooms - {"__init__", "__pycache__"} == set(HOUSE)


def test_files_stay_small() -> None:
    long = [file for file in ROOT.rglob("*.py") if len(file.read_text().splitlines()) > 300]
    assert not long


def imports(file: Path) -> set[str]:
    """Every module a file names, at its head or inside a function."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found
