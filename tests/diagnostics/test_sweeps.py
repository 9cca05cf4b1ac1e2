"""Sweeps on pico models: nothing done twice, no weights kept, an ordinary run at the end."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from lox_bench.cli.progress import SilentDisplay
from lox_bench.diagnostics.effective_rank import rank_study
from lox_bench.diagnostics.plane import Axis, Plane, lay_plane, spaced
from lox_bench.diagnostics.probe_output import write_landscape, write_ranks
from lox_bench.diagnostics.stage import Perturb, gram_of
from lox_bench.diagnostics.sweep import run_sweep
from lox_bench.engine.graph import Graph
from lox_bench.engine.local import LocalExecutor
from lox_bench.engine.store import Store
from lox_bench.methods.stage import Harden
from lox_bench.report.output import RunFolder
from lox_bench.results.run import open_run
from lox_bench.study.measure import VariantResult, measure
from lox_bench.study.request import Request
from lox_bench.study.study import make_study

JUDGE = "keyword-prefix"


FAMILY = """
name = "pair"
description = "two random pico models, for tests"
base = "{base}"
template = "chatml"
max_new_tokens = 40
dtype = "float32"
lox = {{ k = 2, alpha = 0.5 }}
align = {{ source = "{aligned}" }}
"""


@pytest.fixture(scope="module")
def request_of(tmp_path_factory: pytest.TempPathFactory, pico: Path, pico_aligned: Path) -> Request:
    file = tmp_path_factory.mktemp("family") / "pair.toml"
    file.write_text(FAMILY.format(base=pico, aligned=pico_aligned))
    return Request(judges="keyword-prefix", family=str(file), limit=3)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("cache"))


def executor_of(store: Store) -> LocalExecutor:
    return LocalExecutor(store, SilentDisplay())


def made(store: Store) -> dict[Path, float]:
    """When each artifact was made; hardened weights are freed, and made again where needed."""
    found = [path for path in store.root.rglob("manifest.json") if "harden" not in path.parts]
    return {path: path.stat().st_mtime for path in found}


@pytest.mark.slow
def test_a_landscape_keeps_answers_and_no_weights_and_does_nothing_twice(
    request_of: Request, store: Store, tmp_path: Path
) -> None:
    executor = executor_of(store)

    def run(count: int) -> tuple[Plane, list[VariantResult]]:
        plane = lay_plane(
            request_of,
            "aligned",
            [Axis("lox", spaced(0, 1, count)), Axis("random", (0.0, 0.5))],
        )
        return plane, run_sweep(plane.study, executor, "points")

    run(2)
    before = made(store)
    plane, results = run(3)
    after = made(store)
    assert {path: after[path] for path in before} == before
    assert len([path for path in after if path.parent.parent.name == "answers"]) == 6
    assert not list(store.root.glob("perturb/*/*.safetensors"))
    assert list((store.root / "tmp").iterdir()) == []
    outcome = executor.run(Graph.of(plane.geometries))
    grams = [gram_of(outcome.facts(geometry)) for geometry in plane.geometries]
    with RunFolder.claimed(tmp_path / "out", plane.study) as folder:
        points, _ = write_landscape(folder, plane, results, grams, ["test"])
    run_folder = open_run(tmp_path / "out")
    assert len(run_folder.names) == len(points) == 6
    with (tmp_path / "out" / "landscape.csv").open() as file:
        rows = list(csv.DictReader(file))
    by_model = {row.model: row for row in run_folder.rows if row.metric == "refusal_lost"}
    assert {row["metric"] for row in rows} == {"refusal_lost"}
    for row, point in zip(rows, plane.points, strict=True):
        assert float(row["value"] or "nan") == pytest.approx(
            by_model[point.variant.label].value, nan_ok=True
        )
    assert (tmp_path / "out" / f"landscape-{JUDGE}.png").stat().st_size > 20_000


def test_the_end_of_an_axis_answers_as_the_model_it_leads_to(
    request_of: Request, store: Store
) -> None:
    plane = lay_plane(request_of, "base", [Axis("aligned", (0.0, 1.0))])
    results = run_sweep(plane.study, executor_of(store), "points")
    aligned = lay_plane(request_of, "aligned", [Axis("base", (0.0, 1.0))])
    (expected,) = [
        result
        for result in run_sweep(aligned.study, executor_of(store), "points")
        if result.variant == aligned.center
    ]
    moved = plane.points[1].variant.model
    assert isinstance(moved, Perturb)
    assert results[1].completions == expected.completions
    outcome = executor_of(store).run(Graph.of([moved.geometry]))
    assert gram_of(outcome.facts(moved.geometry)).lengths[0] > 0


@pytest.mark.slow
def test_an_axis_through_an_attack_ends_at_the_attacked_model(
    request_of: Request, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    request = replace(request_of, max_steps=3)  # the first has a learning rate of 0
    plane = lay_plane(request, "aligned", [Axis("gsm8k", (0.0, 1.0))])
    _, end = run_sweep(plane.study, executor_of(store), "points")
    study = make_study(replace(request, models="aligned", attack="gsm8k"))
    attacked = next(r for r in measure(study, executor_of(store)) if r.variant.attack is not None)
    assert end.completions["harmful"] == attacked.completions["harmful"]


def test_full_rank_answers_as_the_aligned_model_and_is_an_ordinary_run(
    request_of: Request, store: Store, tmp_path: Path
) -> None:
    study = rank_study(request_of, [1, 99])
    results = run_sweep(study, executor_of(store), "ranks")
    held = {result.variant.label: result for result in results}
    assert [result.variant for result in results] == list(study.variants)
    assert held["truncated(r=99)"].completions == held["aligned"].completions
    assert not list(store.root.glob("harden/*/*.safetensors"))
    with RunFolder.claimed(tmp_path / "out", study) as folder:
        (answer,) = write_ranks(folder, study, results, ["test"])
    assert answer.rank in {1, 99}
    assert {row.model for row in open_run(tmp_path / "out").rows} == set(held)
    assert (tmp_path / "out" / f"effective_rank-{JUDGE}.png").stat().st_size > 20_000


def test_controls_are_models_like_any_other(request_of: Request, store: Store) -> None:
    request = replace(request_of, models="lox,expo,random-k,bottom-k", attack="none")
    results = measure(make_study(request), executor_of(store))
    assert [result.variant.label for result in results] == ["lox", "expo", "random-k", "bottom-k"]
    assert all(isinstance(result.variant.model, Harden) for result in results)
    assert len({result.variant.model for result in results}) == 4
