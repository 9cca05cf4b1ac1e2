"""What tests of back ends share."""

from pathlib import Path
from typing import Any

import pytest
from support.display import Display

FAKE = Path(__file__).parents[1] / "support" / "fake_vllm"


@pytest.fixture
def display(silent: Any) -> Display:
    return Display(silent)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """vLLM's stand-in, here and in processes; the file in which it notes its processes."""
    monkeypatch.syspath_prepend(str(FAKE))
    monkeypatch.setenv("PYTHONPATH", str(FAKE))
    monkeypatch.setenv("VLLM_PIDS", str(tmp_path / "pids.json"))
    return tmp_path / "pids.json"
