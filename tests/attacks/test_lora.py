"""LoRA attacks: what PEFT trains is merged, of the rank asked for, where it was asked for."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import mean, variance
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from lox_bench.attacks.job import SftJob
from lox_bench.attacks.sft import attack
from lox_bench.backends.template import load_template
from lox_bench.errors import UsageError
from lox_bench.training.spec import SftSpec, Training

RANK = 2
TRAIN = SftSpec(
    learning_rate=5e-3, epochs=4, batch_size=4, micro_batch_size=2, lora_r=RANK,
    lora_targets="q_proj+v_proj",
)  # fmt: skip
ROWS = tuple((f"What is {i} plus 1?", f"It is {i + 1}.") for i in range(8))


def job(source: Path, **changes: Any) -> SftJob:
    template = load_template("chatml")
    return replace(SftJob(source, source, source, ROWS, TRAIN, template, seed=0), **changes)


def run(work: SftJob, out: Path, silent: Any, watch: Any = None) -> dict[str, torch.Tensor]:
    out.mkdir()
    attack(work, Training(out, 0, None, "float32", silent), watch)
    return load_file(out / "model.safetensors")


def changes(before: Path, after: dict[str, torch.Tensor]) -> Iterator[tuple[str, torch.Tensor]]:
    for name, weight in load_file(before / "model.safetensors").items():
        if not torch.equal(weight, after[name]):
            yield name, after[name] - weight


def test_the_change_has_the_rank_and_the_places_asked_for(
    pico: Path, tmp_path: Path, silent: Any
) -> None:
    deltas = dict(changes(pico, run(job(pico), tmp_path / "out", silent)))
    assert len(deltas) == 4  # two layers
    assert {name.split(".")[-2] for name in deltas} == {"q_proj", "v_proj"}
    for delta in deltas.values():
        values = torch.linalg.svdvals(delta.double())
        assert values[RANK] < 1e-5 * values[0]
        assert values[RANK - 1] > 1e-3 * values[0]


def test_it_learns_repeats_and_starts_from_the_seed(
    pico: Path, tmp_path: Path, silent: Any
) -> None:
    one, same = (run(job(pico), tmp_path / name, silent) for name in "ab")
    assert all(torch.equal(one[name], same[name]) for name in one)
    (tmp_path / "facts").mkdir()
    facts = attack(job(pico), Training(tmp_path / "facts", 1, None, "float32", silent))
    assert facts["loss_after"] < facts["loss_before"]
    other = load_file(tmp_path / "facts" / "model.safetensors")
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_a_method_freezes_adapters_by_the_names_of_the_weights(
    pico: Path, tmp_path: Path, silent: Any
) -> None:
    held = job(pico, frozen=lambda name: "layers.0" in name)
    deltas = dict(changes(pico, run(held, tmp_path / "out", silent)))
    assert len(deltas) == 2
    assert all("layers.1" in name for name in deltas)


def ends(pico: Path, out: Path, silent: Any, *, rank: int, epochs: int, seed: int) -> float:
    """The loss after training all projections (rank 0), or adapters of them at twice the rate."""
    train = replace(
        TRAIN, epochs=epochs, micro_batch_size=4, lora_r=rank, lora_alpha=rank,
        lora_targets="all-linear", learning_rate=1e-2 if rank else 5e-3,
    )  # fmt: skip
    out.mkdir()
    held = job(pico, train=train, seed=seed, frozen=lambda name: "proj" not in name)
    facts = attack(held, Training(out, seed, None, "float32", silent))
    assert facts["loss_after"] < 0.5 * facts["loss_before"]
    return facts["loss_after"]


@pytest.mark.slow
def test_adapters_of_full_rank_reach_the_loss_of_a_full_training_of_the_same_matrices(
    pico: Path, tmp_path: Path, silent: Any
) -> None:
    """Long enough for both to arrive: 2.1557 and 2.1538, where seeds are .0007 apart."""
    full, lora = (
        ends(pico, tmp_path / str(rank), silent, rank=rank, epochs=100, seed=0) for rank in (0, 32)
    )
    assert lora == pytest.approx(full, rel=0.005)


@pytest.mark.slow
def test_on_the_way_there_they_are_apart_by_no_more_than_seeds_are(
    pico: Path, tmp_path: Path, silent: Any
) -> None:
    """Welch's test on four seeds each; measured 2.292 (sd .010) and 2.271 (sd .037)."""
    full, lora = (
        [
            ends(pico, tmp_path / f"{rank}-{seed}", silent, rank=rank, epochs=40, seed=seed)
            for seed in range(4)
        ]
        for rank in (0, 32)
    )
    noise = math.sqrt((variance(full) + variance(lora)) / 4)
    assert abs(mean(full) - mean(lora)) < 2 * noise
    assert mean(lora) == pytest.approx(mean(full), rel=0.03)


class Recorder:
    """A watch that keeps snapshots."""

    steps, last = (3,), None

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def take(self, step: int, facts: Any, save: Any) -> None:
        save(self.folder / str(step))


def test_snapshots_are_merged_and_leave_no_trace(pico: Path, tmp_path: Path, silent: Any) -> None:
    plain = run(job(pico), tmp_path / "plain", silent)
    watched = run(job(pico), tmp_path / "watched", silent, Recorder(tmp_path))
    assert all(torch.equal(plain[name], watched[name]) for name in plain)
    half = load_file(tmp_path / "3" / "model.safetensors")
    assert half.keys() == plain.keys()
    assert any(not torch.equal(half[name], plain[name].bfloat16()) for name in half)


def test_a_target_that_is_none_is_named_with_what_there_is(
    pico: Path, tmp_path: Path, silent: Any
) -> None:
    wrong = job(pico, train=replace(TRAIN, lora_targets="query_key_value"))
    with pytest.raises(UsageError, match=r"lora_targets=query_key_value.*q_proj"):
        run(wrong, tmp_path / "out", silent)
