"""Methods that change the loss, in real trainings on a pico Llama and in the keys of stages."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from support.losses import FULL, LORA, job
from support.pico import FAMILY

from lox_bench.attacks.points import AttackPoint
from lox_bench.attacks.sft import attack
from lox_bench.attacks.spec import load_attack
from lox_bench.data.stage import Rows
from lox_bench.methods.asft import Asft
from lox_bench.methods.constrained import Constrained
from lox_bench.methods.ewc import Ewc
from lox_bench.methods.kl import Kl
from lox_bench.methods.vaccine import Perturbed
from lox_bench.study.attacked import under_attack
from lox_bench.study.family import load_family
from lox_bench.study.models import build_model, read_models
from lox_bench.study.variant import Family, Seeds
from lox_bench.testing import check_method
from lox_bench.training.spec import Training

ALL = (Constrained(0.2), Kl(0.5), Ewc(10.0, rows=2), Asft(0.01))


class Recorder:
    """A watch that keeps the weights after the second step."""

    steps, last = (2,), None

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def take(self, step: int, facts: Any, save: Any) -> None:
        save(self.folder / "midst")


def trained(held: Any, out: Path, silent: Any, *, watched: bool = False) -> Any:
    out.mkdir()
    watch = Recorder(out) if watched else None
    facts = attack(replace(held, train=replace(held.train, epochs=3)),
                   Training(out, 0, None, "float32", silent), watch)  # fmt: skip
    return facts, load_file(out / "model.safetensors")


def with_methods(held: Any, *methods: Any) -> Any:
    for method in methods:
        held = method.prepare(held)
    return held


@pytest.mark.parametrize("train", [FULL, LORA])
def test_a_training_under_all_terms_repeats_watched_or_not_and_leaves_the_frozen_alone(
    pico: Path, pico_aligned: Path, tmp_path: Path, silent: Any, train: Any
) -> None:
    base = job(pico_aligned, base=pico, train=train, frozen=lambda name: "layers.0" in name)
    held = with_methods(base, *ALL)
    facts, one = trained(held, tmp_path / "one", silent)
    again, other = trained(held, tmp_path / "two", silent, watched=True)
    assert again == facts
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert (tmp_path / "two" / "midst" / "model.safetensors").is_file()
    start = load_file(pico_aligned / "model.safetensors")
    changed = {name for name in start if not torch.equal(start[name], one[name])}
    assert changed
    assert not any("layers.0" in name for name in changed)
    _, plain = trained(base, tmp_path / "plain", silent)
    assert not all(torch.equal(plain[name], one[name]) for name in one)


@pytest.mark.parametrize("method", [Kl(30.0), Ewc(1e4, rows=4), Asft(3e3)])
def test_a_strong_term_holds_the_model_near_its_start(
    pico: Path, pico_aligned: Path, tmp_path: Path, silent: Any, method: Any
) -> None:
    base = job(pico_aligned, base=pico)
    plain, _ = trained(base, tmp_path / "plain", silent)
    held, _ = trained(with_methods(base, method), tmp_path / "held", silent)
    assert held["loss_before"] == plain["loss_before"]  # the probe's loss is cross-entropy
    gain, other = (facts["loss_before"] - facts["loss_after"] for facts in (plain, held))
    assert other < 0.8 * gain


def test_vaccine_trains_to_answer_as_taught(pico: Path, tmp_path: Path, silent: Any) -> None:
    facts, _ = trained(job(pico, objective=Perturbed(0.1)), tmp_path / "out", silent)
    assert facts["loss_after"] < facts["loss_before"]


@pytest.mark.parametrize("method", ALL)
def test_each_prepares_as_a_method_should(pico: Path, method: Any) -> None:
    check_method(type(method), job=job(pico))


def family(tmp_path: Path, pico: Path) -> Family:
    (tmp_path / "pico.toml").write_text(FAMILY.format(base=pico))
    return Family(load_family(str(tmp_path / "pico.toml")), max_steps=3)


def test_keys_name_what_a_method_reads_and_no_more(pico: Path, tmp_path: Path) -> None:
    rows = Rows.of("standin", [{"question": "q", "answer": "a"}])

    def variant(text: str) -> Any:
        (model,) = read_models(text)
        built = build_model(model, family(tmp_path, pico), Seeds(), 0)
        return under_attack(built, AttackPoint(load_attack("gsm8k")), rows)

    held = {text: variant(text).training.references for text in ("aligned", "kl", "ewc", "kl+ewc")}
    assert [len(stages) for stages in held.values()] == [0, 2, 3, 3]
    keys = [variant(text).model.key for text in (
        "aligned", "kl", "kl(lambda=0.2)", "ewc", "ewc(rows=8)", "constrained", "asft",
        "vaccine", "vaccine(rho=1)", "vaccine(start=base)", "vaccine(lr=1e-5)",
    )]  # fmt: skip
    assert len(set(keys)) == len(keys)
    assert variant("kl(lambda=0.1)").model.key == variant("kl").model.key


def test_vaccine_starts_from_what_stands_before_it_and_takes_the_family_s_rate(
    pico: Path, tmp_path: Path
) -> None:
    made = family(tmp_path, pico)

    def stage(text: str) -> Any:
        (model,) = read_models(text)
        return build_model(model, made, Seeds(), 0).unattacked

    assert stage("vaccine").model == made.aligned
    assert stage("vaccine(start=base)").model == made.base
    assert stage("lox+vaccine").model == stage("lox")
    assert stage("vaccine").train.learning_rate == 1e-3
    assert stage("vaccine(lr=1e-5)").train.learning_rate == 1e-5
    assert (stage("vaccine").max_steps, stage("vaccine(steps=2)").max_steps) == (3, 2)
