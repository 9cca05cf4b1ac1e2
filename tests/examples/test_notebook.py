"""The notebook runs from top to bottom on a run of its own, and shows that run's numbers."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from support.run_folders import Fake, write_run

NOTEBOOK = Path(__file__).parents[2] / "examples" / "notebook" / "a_run.ipynb"


def test_it_is_committed_without_anybody_s_output() -> None:
    held = nbformat.read(NOTEBOOK, as_version=4)
    assert [cell for cell in held.cells if cell.get("outputs") or cell.get("execution_count")] == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the kernel's own
def test_it_runs_on_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(tmp_path / "run", Fake(n=12))
    monkeypatch.setenv("LOX_RUN", str(run.path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    held = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(held, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    said = "".join(str(cell.get("outputs", "")) for cell in held.cells)
    assert "refusal_lost" in said
    assert "image/png" in said
    assert all(row.model in said for row in run.rows)
