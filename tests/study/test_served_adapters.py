"""A study on a back end that serves adapters: what is loaded, what is asked of it, what is said."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.pico import FAMILY
from support.run_folders import Command
from support.tasks import task_files

from lox_bench.attacks.adapter_stage import LoraAdapter
from lox_bench.backends.backend import hosts
from lox_bench.engine.graph import Graph
from lox_bench.methods.lox_delta import Delta
from lox_bench.results.run import open_run
from lox_bench.study.measure import Stages, graph_of
from lox_bench.study.request import Request
from lox_bench.study.study import Study, make_study

FAKE = Path(__file__).parents[1] / "support" / "fake_vllm"
MODELS = "aligned,lox-delta(k=3),lox(k=2)"
ATTACK = "gsm8k(lora_r=2)"


@pytest.fixture
def plan(pico: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("lox_bench.backends.engine.find_spec", lambda name: name)
    (tmp_path / "pico.toml").write_text(FAMILY.format(base=pico))

    def make(**asked: Any) -> Study:
        given = {"models": MODELS, "attack": ATTACK, "judges": "keyword", **asked}
        return make_study(Request(family=str(tmp_path / "pico.toml"), **given))

    return make


def loads(study: Study) -> dict[str, tuple[str, list[type], int]]:
    aligned = study.variants[0].family.aligned
    return {
        variant.title: (
            "aligned" if load.model == aligned else load.model.kind,
            [type(adapter) for adapter in load.adapters],
            study.rooms[load.model.key],
        )
        for variant in study.variants
        for load in [study.load_of(variant)]
    }


def kinds(graph: Graph) -> set[str]:
    return {stage.kind for stage in graph.order}


def test_all_that_is_an_adapter_goes_over_what_it_was_made_over(plan: Any) -> None:
    study = plan(backend="vllm")
    assert loads(study) == {
        "aligned": ("aligned", [], 5),
        "lox-delta(k=3)": ("aligned", [Delta], 5),
        "lox(k=2)": ("harden", [], 2),
        f"aligned+{ATTACK}": ("aligned", [LoraAdapter], 5),
        f"lox-delta(k=3)+{ATTACK}": ("aligned", [Delta, LoraAdapter], 5),
        f"lox(k=2)+{ATTACK}": ("harden", [LoraAdapter], 2),
    }
    answers = [
        stage for variant in study.variants for stage in Stages(study, variant).answers.values()
    ]
    assert len({stage.key for stage in answers}) == len(answers)
    assert len({stage.affinity for stage in answers}) == 2


@pytest.mark.parametrize("backend", ["hf", "vllm(adapters=false)"])
def test_who_serves_none_loads_them_merged(plan: Any, backend: str) -> None:
    study = plan(backend=backend)
    assert {len(study.load_of(variant).adapters) for variant in study.variants} == {0}
    assert {"merge", "attack"} <= kinds(graph_of(study))
    assert "lora" not in kinds(graph_of(study))


def test_an_unattacked_delta_is_not_merged_where_it_is_served(plan: Any) -> None:
    alone = {"models": "lox-delta", "attack": "none"}
    assert "merge" in kinds(graph_of(plan(**alone, backend="hf")))
    assert "merge" not in kinds(graph_of(plan(**alone, backend="vllm")))


def test_tasks_of_lm_eval_are_part_of_what_one_engine_does(plan: Any, tmp_path: Path) -> None:
    task = str(task_files(tmp_path) / "choices.yaml")
    usual, study = (plan(utility=task, backend=name) for name in ("hf", "vllm"))
    assert hosts(study.backend)
    variant = study.variants[3]
    stages = Stages(study, variant)
    (benchmark,) = stages.benchmarks.values()
    assert benchmark.affinity == next(iter(stages.answers.values())).affinity
    assert benchmark.adapters
    (before,) = Stages(usual, usual.variants[3]).benchmarks.values()
    assert (before.backend, before.affinity, before.adapters) == (None, "", ())
    assert before.key != benchmark.key


def run(command: Command, tmp_path: Path, out: str, *more: str) -> Any:
    return command(
        "run", "--family", str(tmp_path / "pico.toml"), "--judges", "keyword", "--limit", "3",
        "--max-steps", "2", "--prompts", "harmful", "--out", str(tmp_path / out), *more,
    )  # fmt: skip


@pytest.mark.slow
def test_one_engine_start_serves_the_study_and_no_gate_mixes_it_with_hf(
    pico: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(FAKE))
    for name, value in {
        "PYTHONPATH": os.pathsep.join([str(FAKE), os.environ.get("PYTHONPATH", "")]),
        "LOX_BENCH_CACHE": str(tmp_path / "cache"),
        "HF_HUB_OFFLINE": "1",
        "VLLM_NOTES": str(tmp_path / "notes"),
    }.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "pico.toml").write_text(FAMILY.format(base=pico))
    task = str(task_files(tmp_path) / "choices.yaml")
    asked = ["--models", "aligned,lox-delta(k=3)", "--attack", ATTACK, "--utility", task]
    done = run(command, tmp_path, "vllm", *asked, "--backend", "vllm")
    assert done.code == 0, done.err
    notes = [json.loads(line) for line in (tmp_path / "notes").read_text().splitlines()]
    assert [note["room"] for note in notes if "start" in note] == [8]
    assert sorted(note["rank"] for note in notes if "take" in note) == [2, 3, 5]
    record = open_run(tmp_path / "vllm").record
    said = {
        variant.model + variant.attack: {
            stage.facts.get("adapters")
            for stage in variant.stages
            if stage.kind in {"answers", "utility", "benchmark"}
        }
        for variant in record.variants
    }
    assert said == {
        "alignednone": {None},
        f"aligned{ATTACK}": {"served"},
        "lox-delta(k=3)none": {"served"},
        f"lox-delta(k=3){ATTACK}": {"served"},
    }
    usual = run(command, tmp_path, "hf", *asked)
    assert usual.code == 0, usual.err
    for against in (
        command("compare", str(tmp_path / "hf"), str(tmp_path / "vllm")),
        command("check", str(tmp_path / "vllm"), "--against", str(tmp_path / "hf/leaderboard.csv")),
    ):
        assert against.code == 2
        assert "back end (hf float32" in against.err
        assert "vllm float32" in against.err
        assert len(against.err.strip().splitlines()) == 1


def test_an_adapter_that_was_merged_is_said(
    pico: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from support.adapters import lora

    monkeypatch.syspath_prepend(str(FAKE))
    monkeypatch.setenv("PYTHONPATH", str(FAKE))
    monkeypatch.setenv("LOX_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "pico.toml").write_text(FAMILY.format(base=pico))
    mine = lora(pico, tmp_path / "mine", modules_to_save=["up_proj"])
    asked = ["--models", f"base,mine={mine}", "--attack", "none", "--backend", "vllm"]
    done = run(command, tmp_path, "out", *asked)
    assert done.code == 0, done.err
    said = [line for line in (done.out + done.err).splitlines() if "merged, not served" in line]
    assert len(said) == 1
    assert said[0].startswith("mine: its adapter was merged")
    assert "up_proj" in said[0]


def test_an_adapter_goes_over_the_model_it_was_made_over(
    pico: Path, pico_aligned: Path, tmp_path: Path, plan: Any
) -> None:
    from support.adapters import lora

    import lox_bench

    head = FAMILY.format(base=pico).split("[align.dpo]")[0]
    (tmp_path / "pico.toml").write_text(f'{head}\n[align]\nsource = "{pico_aligned}"\n')
    lox_bench.harden(pico, pico_aligned, out=tmp_path / "delta", k=2, format="delta")
    fetched = shutil.copytree(pico_aligned, tmp_path / "fetched")  # as harden does with a hub's
    lox_bench.harden(pico, fetched, out=tmp_path / "of-hub", k=2, format="delta")
    shutil.rmtree(fetched)
    tuned = lora(pico, tmp_path / "tuned", r=3)
    lox_bench.harden(pico, tuned, out=tmp_path / "of-adapter", k=2, format="delta")
    mine = lora(pico_aligned, tmp_path / "mine", r=4)
    names = {"delta": True, "of-hub": True, "tuned": False, "of-adapter": False, "mine": True}
    assert mine.name in names
    models = ",".join(f"m-{name}={tmp_path / name}" for name in names)
    study = plan(models=models, attack="none", backend="vllm")
    family = study.variants[0].family
    assert [study.load_of(variant).model for variant in study.variants] == [
        family.aligned if aligned else family.base for aligned in names.values()
    ]
    assert study.rooms == {family.aligned.key: 4, family.base.key: 3}
