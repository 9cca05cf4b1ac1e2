"""Write a diagnosis: tables, pictures, and the manifest that says what they rest on."""

import csv
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lox_bench.diagnostics.measures import ALIGN, FT, MatrixReport, Settings
from lox_bench.diagnostics.subject import (
    SPECTRA,
    Subject,
    question,
    question_key,
    read_reports,
)
from lox_bench.diagnostics.summary import Mean, summarise
from lox_bench.diagnostics.tables import csv_of
from lox_bench.engine.stage import describe, key_of
from lox_bench.engine.store import MANIFEST, read_manifest
from lox_bench.files import write_json, write_text

MATRICES = "matrices.csv"
SUMMARY = "summary.csv"
_CHANGES = {ALIGN: "aligned - base", FT: "fine-tuned - aligned"}


def write_diagnosis(
    out: Path, artifact: Path, subject: Subject, settings: Settings, command: Sequence[str]
) -> list[Mean]:
    """Fill the (claimed) folder ``out`` from a finished artifact; returns the means."""
    from lox_bench.diagnostics.plot_spectra import plot_heatmaps, plot_spectra

    reports = read_reports(artifact)
    means = summarise(reports)
    spectra = _read_spectra(artifact)
    for change, sigmas in spectra.items():
        title = f"{subject.title}: spectra of {_CHANGES[change]}"
        plot_spectra(reports, sigmas, settings.k, title, out / f"spectra-{change}.png")
    title = f"{subject.title}: linear layers, k = {settings.k}, alpha = {settings.alpha:g}"
    plot_heatmaps(reports, title, out / "heatmaps.png")
    write_text(out / MATRICES, csv_of(MatrixReport, reports))
    write_text(out / SPECTRA, (artifact / SPECTRA).read_text())
    write_text(out / SUMMARY, csv_of(Mean, means))
    write_json(out / MANIFEST, _manifest(artifact, subject, settings, command))
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
    artifact: Path, subject: Subject, settings: Settings, command: Sequence[str]
) -> Mapping[str, Any]:
    made = read_manifest(artifact)
    return {
        "plan": question_key(subject, settings),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": list(command),
        "question": question(subject, settings),
        "models": {
            name: {"key": key_of(recipe), **describe(recipe)}
            for name, recipe in subject.models.items()
        },
        "seconds": made["seconds"],
        "environment": made["facts"],
    }
