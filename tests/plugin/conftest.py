"""Installs a third party's package as pip does, into a folder of its own."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent / "package"


@pytest.fixture(scope="session")
def plugin_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site folder that holds the package."""
    source, site = tmp_path_factory.mktemp("source") / "package", tmp_path_factory.mktemp("site")
    shutil.copytree(PACKAGE, source)  # pip builds in place
    options = ["--no-index", "--no-deps", "--no-build-isolation", "--quiet", "--target", str(site)]
    command = [sys.executable, "-m", "pip", "install", *options, str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return site


@pytest.fixture
def plugin(plugin_site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The package, installed for one test."""
    monkeypatch.syspath_prepend(plugin_site)
    monkeypatch.setenv("PYTHONPATH", str(plugin_site))
    for name in [name for name in sys.modules if name.startswith("lox_bench_sums")]:
        monkeypatch.delitem(sys.modules, name)
    yield plugin_site
    for name in [name for name in sys.modules if name.startswith("lox_bench_sums")]:
        del sys.modules[name]
