"""The wheel carries code and data, and works from a fresh environment elsewhere."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(out), "."]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(out.glob("*.whl"))


def test_the_wheel_holds_every_data_file(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("tasks", "judges", "results"):
        files = [
            p for p in (ROOT / folder).rglob("*") if p.is_file() and "__pycache__" not in p.parts
        ]
        missing = [p for p in files if f"lox_bench/assets/{p.relative_to(ROOT)}" not in held]
        assert files
        assert not missing


def test_the_wheel_holds_the_templates_of_the_report(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    files = list((ROOT / "lox_bench" / "report" / "templates").iterdir())
    assert files
    assert {f"lox_bench/report/templates/{file.name}" for file in files} <= held


def test_a_fresh_environment_lists_from_another_directory(wheel: Path, tmp_path: Path) -> None:
    """The dependencies are borrowed from this environment by a path file, the package is not."""
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    site = next(venv.glob("lib/python*/site-packages"))
    zipfile.ZipFile(wheel).extractall(site)
    import typer

    (site / "borrowed.pth").write_text(str(Path(typer.__file__).parent.parent) + "\n")
    code = (
        "import lox_bench; print(lox_bench.__file__); from lox_bench.cli.main import entry; entry()"
    )
    for kind, expected in (("tasks", "lookalike"), ("models", "lox"), ("judges", "keyword")):
        done = subprocess.run(
            [str(venv / "bin" / "python"), "-c", code, "list", kind],
            cwd=tmp_path,
            env={**os.environ, "PYTHONSAFEPATH": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert str(site) in done.stdout
        assert expected in done.stdout
