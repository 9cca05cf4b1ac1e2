"""Every kind of stage, built in a fresh interpreter from its pickle and a store, byte for byte."""

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.pico import FAMILY, NoProgress, save_pico

from lox_bench.diagnostics.measures import Settings
from lox_bench.diagnostics.stage import Diagnose, Geometry, Perturb
from lox_bench.diagnostics.ways import Anywhere, Towards
from lox_bench.engine.graph import Graph
from lox_bench.engine.local import KeepWeights, LocalExecutor
from lox_bench.engine.stage import Stage
from lox_bench.engine.store import Store
from lox_bench.study.measure import graph_of
from lox_bench.study.request import Request
from lox_bench.study.study import make_study

KINDS = (
    "source", "rows", "prompts", "pairs", "align", "harden", "repair", "attack", "snapshot",
    "answers", "verdicts", "utility", "diagnose", "geometry", "perturb",
)  # fmt: skip
pytestmark = pytest.mark.slow  # the study of all kinds alone takes a quarter of a minute
CHILD = """
import pickle, sys
from pathlib import Path
from lox_bench.cli.progress import SilentDisplay
from lox_bench.engine.graph import Graph
from lox_bench.engine.local import KeepWeights, LocalExecutor
from lox_bench.engine.store import Store
stage = pickle.loads(Path(sys.argv[1]).read_bytes())
store = Store(Path(sys.argv[2]))
missing = Graph.of([stage]).missing(store)
assert missing == (stage,), [(item.kind, item.key) for item in missing]
LocalExecutor(store, SilentDisplay(), keep=KeepWeights.ALL).run(Graph.of([stage]))
"""


class Silent:
    @contextmanager
    def stage(self, title: str) -> Iterator[NoProgress]:
        del title
        yield NoProgress()


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> tuple[Store, list[Stage]]:
    """A store in which a pico study is kept whole, and one stage of each kind in it."""
    folder = tmp_path_factory.mktemp("study")
    save_pico(folder / "base", tokenizer)
    (folder / "pico.toml").write_text(FAMILY.format(base=folder / "base"))
    request = Request(
        judges="keyword-prefix",
        models="aligned,lox+safe-lora(tau=0.9)",
        attack="gsm8k",
        family=str(folder / "pico.toml"),
        limit=3,
        max_steps=2,
        eval_every=1,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        graph = graph_of(make_study(request))
        weights = {stage.kind: stage for stage in graph.order}
        store = Store(folder / "store")
        graph = Graph.of([*graph.order, *probes(weights["source"], weights["align"])])
        LocalExecutor(store, Silent(), keep=KeepWeights.ALL).run(graph)
    return store, list({stage.kind: stage for stage in graph.order}.values())


def probes(base: Stage, aligned: Stage) -> tuple[Stage, ...]:
    geometry = Geometry(aligned, (Towards(base, aligned), Anywhere(1, "filter")))
    return (
        Diagnose((base, aligned), Settings(k=2, alpha=1.0)),
        Perturb(geometry, (0.5, 0.25)),
    )


def rebuilt(store: Store, stage: Stage, folder: Path) -> Path:
    """Where another interpreter built the stage, from nothing but a pickle and the other files."""
    copy = folder / "store"
    shutil.copytree(store.root, copy, symlinks=True)
    shutil.rmtree(copy / stage.kind / stage.key)
    (folder / "pickle").write_bytes(pickle.dumps(stage))
    command = [sys.executable, "-c", CHILD, str(folder / "pickle"), str(copy)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return copy / stage.kind / stage.key


def assert_equal_elsewhere(store: Store, stage: Stage, folder: Path) -> None:
    here = store.find(stage)
    assert here is not None
    there = Store(rebuilt(store, stage, folder).parents[1]).find(stage)
    assert there is not None
    assert there.manifest.files == here.manifest.files
    assert there.manifest.facts.keys() == here.manifest.facts.keys()
    for name in here.manifest.files:
        assert (there.path / name).read_bytes() == (here.path / name).read_bytes(), name


def test_a_pico_study_has_every_kind_of_stage(stored: tuple[Store, list[Stage]]) -> None:
    assert {stage.kind for stage in stored[1]} == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stage_is_the_same_in_another_process(
    stored: tuple[Store, list[Stage]], kind: str, tmp_path: Path
) -> None:
    store, stages = stored
    assert_equal_elsewhere(store, next(s for s in stages if s.kind == kind), tmp_path)
