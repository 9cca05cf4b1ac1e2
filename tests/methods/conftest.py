"""The four models that a method may see."""

from pathlib import Path

import pytest
from support.repairs import derived, noise

from lox_bench.methods.method import Folders


@pytest.fixture
def folders(pico: Path, tmp_path: Path) -> Folders:
    aligned = derived(tmp_path / "aligned", pico, noise(1, 0.05))
    start = derived(tmp_path / "start", aligned, noise(2, 0.02))
    return Folders(pico, aligned, start, derived(tmp_path / "tuned", start, noise(3, 0.05)))
