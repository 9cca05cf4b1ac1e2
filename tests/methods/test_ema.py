"""EMA: what is saved is the average, to the rounding of float32; the training goes on as ever."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from support.during import STEPS, TRAIN, Recorder, Trail, job, run

from lox_bench.methods.ema import Ema
from lox_bench.testing import check_method

DECAY = 0.8


def test_it_conforms(pico: Path) -> None:
    check_method(Ema, "decay=0.5", job=job(pico))


def test_the_average_over_the_steps_is_saved_and_the_path_is_the_plain_attack_s(
    pico: Path, tmp_path: Path
) -> None:
    plain, averaged = Trail(), Trail()
    last = run(job(pico, callbacks=(plain,)), tmp_path / "plain")
    work = Ema(DECAY).prepare(job(pico, callbacks=(averaged,)))
    watch = Recorder(tmp_path, 5)
    made = run(work, tmp_path / "ema", watch)
    assert len(plain.weights) == len(averaged.weights) == STEPS
    start = load_file(pico / "model.safetensors")
    for name in plain.weights[0]:
        for one, other in zip(plain.weights, averaged.weights, strict=True):
            assert torch.equal(one[name], other[name])
        mean = start[name].double()
        for step, weights in enumerate(plain.weights, start=1):
            mean = DECAY * mean + (1 - DECAY) * weights[name].double()
            if step == 5:
                held = load_file(tmp_path / "5" / "model.safetensors")[name]
                assert torch.equal(held, mean.float().bfloat16()) or torch.allclose(
                    held.double(), mean, rtol=2**-8, atol=1e-6
                )
        torch.testing.assert_close(made[name].double(), mean, rtol=1e-5, atol=1e-6)
        assert not torch.allclose(made[name], last[name], rtol=1e-5, atol=1e-6)
    again = run(work, tmp_path / "again")  # the same job, begun anew; unwatched
    assert all(torch.equal(made[name], again[name]) for name in made)


def test_without_memory_it_is_the_plain_attack(pico: Path, tmp_path: Path) -> None:
    short = job(pico, train=replace(TRAIN, steps=0, epochs=1))
    last, made = run(short, tmp_path / "a"), run(Ema(0.0).prepare(short), tmp_path / "b")
    assert all(torch.equal(last[name], made[name]) for name in last)


def test_of_lora_the_factors_are_averaged_and_merged(pico: Path, tmp_path: Path) -> None:
    trail = Trail()
    train = replace(TRAIN, epochs=1, lora_r=2, lora_targets="q_proj")
    work = Ema(DECAY).prepare(job(pico, train=train, callbacks=(trail,)))
    made = run(work, tmp_path / "ema")
    start = load_file(pico / "model.safetensors")
    name = "model.layers.1.self_attn.q_proj"
    path = [item for item in trail.weights[0] if name in item and "lora_" in item]
    factors = {}
    for key in path:
        first = trail.weights[0][key].double()  # warm-up: the first step has lr 0
        mean = torch.zeros_like(first) if "lora_B" in key else first
        for weights in trail.weights:
            mean = DECAY * mean + (1 - DECAY) * weights[key].double()
        factors["B" if "lora_B" in key else "A"] = mean
    change = made[f"{name}.weight"].double() - start[f"{name}.weight"].double()
    torch.testing.assert_close(change, 2 * factors["B"] @ factors["A"], rtol=1e-4, atol=1e-7)
    assert change.abs().max() > 1e-6


@pytest.mark.parametrize("text", ["decay=1", "decay=-0.1", "decay=much"])
def test_other_decays_are_refused(text: str) -> None:
    with pytest.raises(Exception, match="decay must be"):
        check_method(Ema, text)
