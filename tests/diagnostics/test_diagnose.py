"""diagnose on checkpoints: streamed, complete, the same whatever the shards, and traceable."""

import csv
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.pico import save_pico
from transformers import AutoModelForCausalLM

from lox_bench.cli.progress import SilentDisplay
from lox_bench.diagnostics.diagnose import diagnose
from lox_bench.diagnostics.measures import Diagnosis, Settings
from lox_bench.diagnostics.models import models_of_folders
from lox_bench.diagnostics.output import write_diagnosis
from lox_bench.diagnostics.summary import LINEAR, summarise
from lox_bench.engine.artifact import Artifact
from lox_bench.engine.graph import Graph
from lox_bench.engine.local import LocalExecutor
from lox_bench.engine.store import Store
from lox_bench.errors import MismatchError, NonFiniteError
from lox_bench.provenance import environment

LOX_BENCH = [sys.executable, "-c", "from lox_bench.cli.main import entry; entry()"]
SETTINGS = Settings(k=2, alpha=1.25)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Path:
    return save_pico(tmp_path_factory.mktemp("tuned"), tokenizer, seed=2)


def measured(silent: Any, *folders: Path, settings: Settings = SETTINGS) -> list[Diagnosis]:
    return list(diagnose(folders, settings, silent))


def test_every_matrix_is_measured_as_a_plain_svd_says(
    pico: Path, pico_aligned: Path, tuned: Path, silent: Any
) -> None:
    base, aligned, last = (
        load_file(folder / "model.safetensors") for folder in (pico, pico_aligned, tuned)
    )
    found = {item.report.tensor: item for item in measured(silent, pico, pico_aligned, tuned)}
    assert found.keys() == {name for name, tensor in base.items() if tensor.ndim == 2}
    for name, item in found.items():
        delta = (aligned[name] - base[name]).double()
        u, sigma, _ = torch.linalg.svd(delta, full_matrices=False)
        total = (last[name] - base[name]).double()
        kept = u[:, :2] @ u[:, :2].T
        report = item.report
        assert item.spectra["align"] == pytest.approx(sigma.tolist(), rel=1e-6, abs=1e-8)
        assert report.r_align == pytest.approx(float((kept @ delta).norm() / delta.norm()))
        assert report.r_ft == pytest.approx(float((kept @ total).norm() / total.norm()))
        assert report.energy_k == pytest.approx(report.r_align**2)
        assert report.stable_rank == pytest.approx(float((sigma**2).sum() / sigma[0] ** 2))


def test_shards_do_not_matter(pico: Path, pico_aligned: Path, tmp_path: Path, silent: Any) -> None:
    model = AutoModelForCausalLM.from_pretrained(pico_aligned)
    model.save_pretrained(tmp_path, max_shard_size="40KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    assert measured(silent, pico, tmp_path) == measured(silent, pico, pico_aligned)


def test_stacked_experts_are_taken_apart(tmp_path: Path, silent: Any, rng: torch.Generator) -> None:
    name = "model.layers.0.mlp.experts.up_proj"
    stacks = [torch.randn(3, 8, 5, generator=rng) for _ in range(2)]
    for folder, stack in zip(("base", "aligned"), stacks, strict=True):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "config.json").write_text('{"architectures": ["Moe"]}')
        save_file({name: stack}, tmp_path / folder / "model.safetensors")
    reports = [item.report for item in measured(silent, tmp_path / "base", tmp_path / "aligned")]
    assert [report.tensor for report in reports] == [f"{name}[{index}]" for index in range(3)]
    assert {(report.layer, report.projection) for report in reports} == {(0, "experts.up_proj")}
    delta = stacks[1] - stacks[0]
    assert [report.norm_delta for report in reports] == pytest.approx(
        delta.norm(dim=(1, 2)).tolist()
    )


def test_means_are_over_the_linear_layers_and_skip_what_could_not_be_measured(
    pico: Path, pico_aligned: Path, silent: Any
) -> None:
    reports = [item.report for item in measured(silent, pico, pico_aligned)]
    means = {(mean.group, mean.measure): mean for mean in summarise(reports)}
    linear = [report.r_align for report in reports if report.layer is not None]
    assert means[LINEAR, "r_align"].mean == pytest.approx(sum(linear) / len(linear))
    assert means[LINEAR, "r_align"].n == 14 == len(reports) - 1  # without the embedding
    assert (LINEAR, "r_ft") not in means
    same = [item.report for item in measured(silent, pico, pico)]
    assert all(math.isnan(report.r_align) for report in same)
    assert (LINEAR, "r_align") not in {(m.group, m.measure) for m in summarise(same)}


def test_a_tensor_that_cannot_be_measured_is_named(
    pico: Path, tokenizer: Any, tmp_path: Path, silent: Any
) -> None:
    sick = save_pico(tmp_path / "sick", tokenizer, seed=1)
    tensors = load_file(sick / "model.safetensors")
    tensors["model.layers.1.mlp.up_proj.weight"][0, 0] = float("inf")
    save_file(tensors, sick / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(NonFiniteError, match=r"layers\.1\.mlp\.up_proj"):
        measured(silent, pico, sick)
    deep = save_pico(tmp_path / "deep", tokenizer, num_hidden_layers=3)
    with pytest.raises(MismatchError, match=r"layers\.2"):
        measured(silent, pico, deep)


@pytest.mark.slow
def test_a_diagnosis_is_made_once_and_written_with_its_provenance(
    pico: Path, pico_aligned: Path, tuned: Path, tmp_path: Path
) -> None:
    asked = models_of_folders(str(pico), str(pico_aligned), str(tuned))
    executor = LocalExecutor(Store(tmp_path / "cache"), SilentDisplay(), environment=environment)

    def measured_by(settings: Settings) -> Artifact:
        question = asked.question(settings)
        return executor.run(Graph.of([question]))[question]

    artifact = measured_by(SETTINGS)
    made = (artifact.path / "manifest.json").stat().st_mtime
    assert measured_by(SETTINGS) == artifact
    assert (artifact.path / "manifest.json").stat().st_mtime == made
    assert measured_by(Settings(k=3, alpha=1.25)) != artifact
    out = tmp_path / "out"
    out.mkdir()
    write_diagnosis(out, artifact, asked, SETTINGS, ["lox-bench", "diagnose"])
    for picture in ("spectra-align.png", "spectra-ft.png", "heatmaps.png"):
        assert (out / picture).stat().st_size > 20_000
    with (out / "matrices.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 15
    assert all(0 <= float(row["r_ft"]) <= 1 for row in rows)
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["models"]["aligned"]["identity"].startswith("sha256:")
    assert manifest["question"]["settings"]["k"] == 2


MISTAKES = {
    "nothing to diagnose": (["diagnose"], "--base and --aligned"),
    "folders and family": (["diagnose", "--family", "smollm2-135m", "--base", "x"], "not both"),
    "unknown spectrum": (["diagnose", "--spectrum", "some"], "auto, full, top"),
    "no such folder": (["diagnose", "--base", "./a", "--aligned", "./b"], "no folder"),
    "no rank": (["effective-rank", "--ranks", "0"], "--ranks wants"),
    "grid of a line": (["landscape", "--y", "gsm8k", "--grid", "5"], "two numbers"),
    "range without axis": (["landscape", "--y-range", "0,1"], "needs --y"),
    "axis to the center": (["landscape", "--x", "aligned"], "leads nowhere"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_clear_line_and_nothing_is_written(name: str, tmp_path: Path) -> None:
    arguments, said = MISTAKES[name]
    done = subprocess.run(
        [*LOX_BENCH, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
