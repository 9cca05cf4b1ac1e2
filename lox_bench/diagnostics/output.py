"""Write a diagnosis: tables, pictures, and the manifest that says what they rest on."""

import csv
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lox_bench.diagnostics.measures import ALIGN, FT, MatrixReport, Settings
from lox_bench.diagnostics.models import Models, read_reports
from lox_bench.diagnostics.stage import SPECTRA
from lox_bench.diagnostics.summary import Mean, summarise
from lox_bench.diagnostics.tables import csv_of
from lox_bench.engine.artifact import Artifact
from lox_bench.engine.stage import describe
from lox_bench.files import MANIFEST, write_json, write_text
from lox_bench.study.record import made

MATRICES = "matrices.csv"
SUMMARY = "summary.csv"
_CHANGES = {ALIGN: "aligned - base", FT: "fine-tuned - aligned"}


def write_diagnosis(
    out: Path, artifact: Artifact, asked: Models, settings: Settings, command: Sequence[str]
) -> list[Mean]:
    """Fill the (claimed) folder ``out`` from a finished artifact; returns the means."""
    from lox_bench.diagnostics.plot_spectra import plot_heatmaps, plot_spectra

    reports = read_reports(artifact.path)
    means = summarise(reports)
    spectra = _read_spectra(artifact.path)
    for change, sigmas in spectra.items():
        title = f"{asked.title}: spectra of {_CHANGES[change]}"
        plot_spectra(reports, sigmas, settings.k, title, out / f"spectra-{change}.png")
    title = f"{asked.title}: linear layers, k = {settings.k}, alpha = {settings.alpha:g}"
    plot_heatmaps(reports, title, out / "heatmaps.png")
    write_text(out / MATRICES, csv_of(MatrixReport, reports))
    write_text(out / SPECTRA, (artifact.path / SPECTRA).read_text())
    write_text(out / SUMMARY, csv_of(Mean, means))
    write_json(out / MANIFEST, _manifest(artifact, asked, settings, command))
    return means


def _read_spectra(artifact: Path) -> dict[str, dict[str, list[float]]]:
    """Change -> tensor -> descending singular values."""
    spectra: dict[str, dict[str, list[float]]] = {}
    with (artifact / SPECTRA).open(newline="") as stream:
        for row in csv.DictReader(stream):
            held = spectra.setdefault(row["change"], {})
            held.setdefault(row["tensor"], []).append(float(row["sigma"]))
    return spectra


def _manifest(
    artifact: Artifact, asked: Models, settings: Settings, command: Sequence[str]
) -> Mapping[str, Any]:
    question = asked.question(settings)
    return {
        "plan": question.key,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": list(command),
        "question": describe(question),
        "models": {name: made(stage) for name, stage in asked.models.items()},
        "seconds": artifact.manifest.seconds,
        "environment": artifact.manifest.facts,
    }
