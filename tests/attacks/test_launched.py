"""Attacks in several processes: the same rows a step, the same loss; configurations are checked."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from support.pico import FAMILY

from lox_bench.attacks.stage import Attack
from lox_bench.cli.progress import SilentDisplay
from lox_bench.engine.artifact import Artifact
from lox_bench.engine.graph import Graph
from lox_bench.engine.local import LocalExecutor
from lox_bench.engine.store import Store
from lox_bench.errors import LoxBenchError, UnknownNameError, UsageError
from lox_bench.study.request import Request
from lox_bench.study.study import make_study
from lox_bench.training.launch import read_launch
from lox_bench.training.spec import LOSSES, Launch


@pytest.fixture
def family(pico: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOX_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "pico.toml").write_text(FAMILY.format(base=pico))
    return tmp_path / "pico.toml"


def built(stage: Attack, store: Path) -> Artifact:
    executor = LocalExecutor(Store(store), SilentDisplay())
    return executor.run(Graph.of([stage], [stage]))[stage]


def planned(family: Path, attack: str, **asked: Any) -> Attack:
    study = make_study(Request(models="base", attack=attack, family=str(family), **asked))
    return next(v.training for v in study.variants if v.training is not None)


@pytest.mark.parametrize("name", ["ddp", "fsdp"])
def test_a_configuration_of_ours_is_accelerate_s_own(name: str, tmp_path: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    launch = read_launch(f"{name}(processes=3)")
    assert launch.config is not None
    (tmp_path / "a.yaml").write_text(launch.config.text)
    held = load_config_from_file(str(tmp_path / "a.yaml"))
    assert held.num_processes == launch.processes == 3
    assert (str(held.distributed_type) == "DistributedType.FSDP") == launch.sharded
    assert read_launch(f"{tmp_path}/a.yaml") == launch


WRONG = [
    ("nccl", UnknownNameError, "nccl"),
    ("ddp", UsageError, r"0 processes; at least 2 were wanted: ddp\(processes=2\)"),
    ("ddp(processes=1)", UsageError, "1 processes"),
    ("ddp(gpus=2)", UsageError, "it takes processes=N and nothing else"),
    ("none.yaml", UsageError, "cannot be read"),
    ("list.yaml", UsageError, "a table of accelerate's settings"),
    ("deepspeed.yaml", UsageError, "distributed_type must be one of .*, not DEEPSPEED"),
    ("far.yaml", UsageError, "one machine was wanted, not 2"),
]


@pytest.mark.parametrize(("text", "kind", "said"), WRONG, ids=[text for text, *_ in WRONG])
def test_what_cannot_be_carried_out_is_one_line(
    text: str, kind: type[Exception], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    Path("list.yaml").write_text("- a\n")
    Path("deepspeed.yaml").write_text("distributed_type: DEEPSPEED\nnum_processes: 2\n")
    Path("far.yaml").write_text("distributed_type: FSDP\nnum_machines: 2\nnum_processes: 4\n")
    with pytest.raises(kind, match=said) as refused:
        read_launch(text)
    assert "\n" not in str(refused.value)


def test_what_does_not_go_together_is_refused_before_work(family: Path) -> None:
    with pytest.raises(UsageError, match=r"batch of 4 rows .* 3 processes; .*: batch=6"):
        planned(family, "gsm8k", accelerate="ddp(processes=3)")
    with pytest.raises(UsageError, match="adapters are not trained sharded here; take ddp"):
        planned(family, "gsm8k(lora_r=2)", accelerate="fsdp(processes=2)")
    with pytest.raises(UsageError, match=r"--eval-every: .* leave --accelerate out"):
        planned(family, "gsm8k", accelerate="ddp(processes=2)", eval_every=1)
    with pytest.raises(UsageError, match=r"--eval-every: .* give the attack steps=N"):
        planned(family, "gsm8k(packing=yes)", eval_every=1)


def test_processes_are_in_the_key_and_checkpointing_is_not(family: Path) -> None:
    plain = planned(family, "gsm8k")
    assert planned(family, "gsm8k", checkpointing=True).key == plain.key
    assert planned(family, "gsm8k", accelerate="ddp(processes=2)").key != plain.key
    assert planned(family, "gsm8k(packing=yes)").key != plain.key
    assert planned(family, "gsm8k(packing=no,lora(r=2,quant=none))").key == (
        planned(family, "gsm8k(lora_r=2)").key
    )


def test_quantised_weights_are_in_the_key(family: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="the extra qlora is not installed")
    assert planned(family, "gsm8k(qlora(r=2))").key != planned(family, "gsm8k(lora_r=2)").key


def test_recomputed_activations_give_the_same_weights_bit_for_bit(
    family: Path, tmp_path: Path
) -> None:
    stage = planned(family, "gsm8k(rows=8)")
    made = [
        load_file(built(item, tmp_path / name).path / "model.safetensors")
        for name, item in (
            ("kept", stage),
            ("again", replace(stage, launch=Launch(checkpointing=True))),
        )
    ]
    assert all(torch.equal(made[1][name], weight) for name, weight in made[0].items())


@pytest.mark.slow
def test_two_processes_take_the_same_steps_as_one(family: Path, pico: Path, tmp_path: Path) -> None:
    alone = planned(family, "gsm8k(batch=4,rows=12,epochs=2)")
    alone = replace(alone, train=replace(alone.train, micro_batch_size=2))
    shared = replace(alone, launch=read_launch("ddp(processes=2)"))
    made = {name: built(stage, tmp_path / "store") for name, stage in
            (("alone", alone), ("shared", shared))}  # fmt: skip
    for name, spread in (("alone", (2, 2, 1)), ("shared", (2, 1, 2))):
        facts = made[name].manifest.facts
        assert (facts["micro_batch"], facts["accumulation"], facts["world_size"]) == spread
        assert facts["steps"] == 6
        assert facts["rows"] == 12
    curves = [_losses(made[name].path) for name in ("alone", "shared")]
    assert curves[1] == pytest.approx(curves[0], abs=2e-3)
    start = load_file(pico / "model.safetensors")
    one, two = (load_file(made[name].path / "model.safetensors") for name in ("alone", "shared"))
    apart = sum(float((two[name] - one[name]).norm() ** 2) for name in one)
    moved = sum(float((one[name] - start[name]).norm() ** 2) for name in one)
    assert apart < 0.01 * moved  # other sums: a tenth of the way at most


@pytest.mark.slow
def test_what_a_process_finds_wrong_is_one_line(family: Path, tmp_path: Path) -> None:
    stage = planned(family, "gsm8k", accelerate="ddp(processes=2)")
    short = replace(stage, train=replace(stage.train, max_length=8))
    with pytest.raises(LoxBenchError, match="is longer than max_length = 8") as refused:
        built(short, tmp_path / "store")
    assert "\n" not in str(refused.value)


def _losses(folder: Path) -> list[float]:
    with (folder / LOSSES).open() as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]
