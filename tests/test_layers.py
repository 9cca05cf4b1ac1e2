"""The architecture: imports point downwards, and heavy libraries stay where they belong."""

import ast
from pathlib import Path

import lox_bench

ROOT = Path(lox_bench.__file__).parent
LAYERS = [
    {"lox_bench", "errors", "types"},
    {"specs", "variants", "grammar", "scoring", "judging", "hardening.lox",
     "hardening.lowrank", "hardening.ranks", "hardening.select", "hardening.change",
     "hardening.controls", "diagnostics.directions", "diagnostics.spectrum",
     "diagnostics.subspace", "diagnostics.naming", "diagnostics.measures", "sources.uri",
     "adversary.attacks"},
    {"store", "records", "rows", "runs", "data", "devices", "loading", "provenance", "sources",
     "generation", "hardening", "training", "utility", "comparison", "diagnostics.perturb",
     "diagnostics.diagnose", "judging.agreement", "judging.calibrate", "judging.labelled",
     "judging.published", "judging.build", "judging.classifier", "judging.client",
     "judging.local", "judging.prompted", "judging.request_cache", "judging.troubles"},
    {"recipes", "models", "plan", "derive", "materialise", "pipeline", "report", "gate",
     "testing", "diagnostics", "adversary", "comparison.compare", "comparison.headline"},
    {"cli"},
]  # fmt: skip
HEAVY = {"torch", "transformers", "trl", "lm_eval", "datasets", "pandas", "openai", "vllm",
         "statsmodels", "optuna"}  # fmt: skip
PURE_TORCH = {
    "hardening.lox",
    "hardening.lowrank",
    "hardening.change",
    "hardening.controls",
    "diagnostics.directions",
    "diagnostics.spectrum",
    "diagnostics.subspace",
}  # layer 1, but tensors are its subject


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__") or "lox_bench"


def layer(module: str) -> int:
    """The layer of the longest listed prefix of a module's name."""
    candidates = [(len(name), index) for index, names in enumerate(LAYERS) for name in names
                  if module == name or module.startswith(f"{name}.")]  # fmt: skip
    assert candidates, f"{module} belongs to no layer: add it to LAYERS"
    return max(candidates)[1]


def imports(file: Path, *, top_level: bool) -> set[str]:
    tree = ast.parse(file.read_text())
    nodes = tree.body if top_level else ast.walk(tree)
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            known = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name for name in known if is_module(name)} or {node.module}
    return found


def is_module(name: str) -> bool:
    path = ROOT.parent.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def ours(file: Path) -> set[str]:
    names = {name for name in imports(file, top_level=False) if name.startswith("lox_bench")}
    return {name.removeprefix("lox_bench.") for name in names}


FILES = sorted(ROOT.rglob("*.py"))


def test_every_import_points_to_the_same_layer_or_below() -> None:
    upward = [
        f"{module_name(file)} imports {name}"
        for file in FILES
        for name in ours(file)
        if layer(name) > layer(module_name(file))
    ]
    assert not upward


def test_there_is_no_import_cycle() -> None:
    graph = {module_name(file): ours(file) - {module_name(file)} for file in FILES}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"cycle: {' -> '.join((*path, name))}"
        if name not in done:
            for target in graph.get(name, ()):
                visit(target, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_heavy_libraries_are_imported_at_module_level_only_in_layer_two() -> None:
    early = [
        f"{module_name(file)} imports {name}"
        for file in FILES
        for name in imports(file, top_level=True)
        if name.split(".")[0] in HEAVY
        and layer(module_name(file)) != 2
        and module_name(file) not in PURE_TORCH
    ]
    assert not early


def test_files_stay_small() -> None:
    long = {
        module_name(file): n for file in FILES if (n := len(file.read_text().splitlines())) > 300
    }
    assert not long
