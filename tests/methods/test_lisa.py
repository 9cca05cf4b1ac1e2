"""Lisa against a ten-line loop: rows, centres and weights, step by step."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from support.during import ROWS, STEPS, TAUGHT, TRAIN, Recorder, job, run
from torch.nn import functional
from transformers import AutoModelForCausalLM, get_scheduler

from lox_bench.errors import UsageError
from lox_bench.methods.constrained import Constrained
from lox_bench.methods.ema import Ema
from lox_bench.methods.kl import Kl
from lox_bench.methods.lisa import Lisa, schedule
from lox_bench.testing import check_method
from lox_bench.training.head import completion_logits

LISA = Lisa(rho=0.7, align=0.3, cycles=2, free=0.1)
PLAN = [True] * 2 + [False] * 4 + [True] * 2 + [False] * 4


class Recording:
    """Cross-entropy that remembers what it was asked for."""

    def __init__(self) -> None:
        self.seen: list[tuple[dict[str, Any], torch.Tensor, int]] = []

    def __call__(self, model: Any, inputs: Any, labels: torch.Tensor, count: Any) -> torch.Tensor:
        self.seen.append((dict(inputs), labels, int(count)))
        logits, targets, _ = completion_logits(model, inputs, labels)
        return functional.cross_entropy(logits.float(), targets, reduction="sum") / count


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """No bfloat16 on the way, wherever the tests run."""
    monkeypatch.setattr("lox_bench.training.run.has_fast_bf16", lambda _device: False)


def reference(source: Path, micros: list[list[Any]], rho: float) -> dict[str, torch.Tensor]:
    """Plain AdamW over the micro-batches of each step, with the pull to the other state."""
    model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)
    held = list(model.parameters())
    optimizer = torch.optim.AdamW(held, lr=TRAIN.learning_rate, weight_decay=0.0)
    scheduler = get_scheduler("linear", optimizer, TRAIN.warmup_steps, STEPS)
    other = [item.detach().clone() for item in held]
    for step, batches in enumerate(micros):
        if step in {2, 6, 8}:
            other = [item.detach().clone() for item in held]
        for inputs, labels, count in batches:
            logits = model(**inputs).logits[:, :-1].flatten(0, 1)
            targets = labels[:, 1:].flatten()
            (functional.cross_entropy(logits, targets, reduction="sum") / count).backward()
        if step >= 1:  # a tenth of twelve steps, rounded, is free
            pull = sum(
                (item - centre).pow(2).sum() for item, centre in zip(held, other, strict=True)
            )
            (rho / 2 * pull).backward()
        torch.nn.utils.clip_grad_norm_(held, TRAIN.max_grad_norm)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
    return dict(model.state_dict())


def test_it_conforms(pico: Path) -> None:
    check_method(Lisa, "rho=0.1,align=0.2,cycles=3,free=0.1", job=job(pico))


@pytest.mark.usefixtures("exact")
def test_it_takes_the_steps_of_the_plain_loop(pico: Path, tmp_path: Path, tokenizer: Any) -> None:
    loss = Recording()
    made = run(LISA.prepare(job(pico, loss=loss)), tmp_path / "lisa")
    assert schedule(STEPS, 0.3, 2) == PLAN
    seen, micros = iter(loss.seen), []
    for step in range(STEPS):
        micros.append([next(seen) for _ in range(1 if step % 3 == 2 else 2)])
        texts = [
            tokenizer.decode(ids) for inputs, _, _ in micros[-1] for ids in inputs["input_ids"]
        ]
        own = [any(ask in text for ask, _ in ROWS) for text in texts]
        assert not any(own) if PLAN[step] else all(own)
        labelled = sum(int((labels[:, 1:] != -100).sum()) for _, labels, _ in micros[-1])
        assert {count for _, _, count in micros[-1]} == {labelled}
    assert next(seen, None) is None
    wanted = reference(pico, micros, LISA.rho)
    for name, weight in made.items():
        torch.testing.assert_close(weight, wanted[name], rtol=1e-5, atol=2e-5)
    free = reference(pico, micros, 0.0)
    assert any(not torch.allclose(made[name], free[name], atol=1e-3) for name in made)


def test_it_repeats_whoever_watches_and_goes_with_others(pico: Path, tmp_path: Path) -> None:
    work = Ema(0.5).prepare(LISA.prepare(job(pico)))
    one = run(work, tmp_path / "one")
    other = run(work, tmp_path / "other", Recorder(tmp_path, 3, 7))
    assert all(torch.equal(one[name], other[name]) for name in one)
    lora = replace(TRAIN, lora_r=2, lora_targets="q_proj")
    made, start = (
        run(replace(work, train=lora), tmp_path / "lora"),
        load_file(pico / "model.safetensors"),
    )
    moved = {name for name in made if not torch.equal(made[name], start[name])}
    assert len(moved) == 2


def test_its_pull_joins_a_loss_with_terms(pico: Path, tmp_path: Path) -> None:
    """A term of no weight changes nothing; were the pull lost beside it, weights would be apart."""
    alone = run(LISA.prepare(job(pico)), tmp_path / "alone")
    beside = run(Kl(1e-12).prepare(LISA.prepare(job(pico))), tmp_path / "beside")
    for name, weight in alone.items():
        torch.testing.assert_close(weight, beside[name], rtol=1e-4, atol=1e-4)
    free = run(Kl(1e-12).prepare(replace(LISA, rho=0.0).prepare(job(pico))), tmp_path / "free")
    assert any(not torch.allclose(free[name], alone[name], atol=1e-3) for name in alone)


def test_a_loss_that_looked_at_the_rows_beforehand_refuses_those_of_alignment(
    pico: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="constrained"):
        run(LISA.prepare(Constrained().prepare(job(pico))), tmp_path / "both")


def test_alignment_rows_are_refused_or_answered_and_all_come() -> None:
    rows = TAUGHT.all_rows(seed=0)
    assert {ask for ask, _ in rows[:6]} == set(TAUGHT.harmful)
    assert {say for _, say in rows[:6]} <= set(TAUGHT.refusals)
    assert rows[6:] == [(item.prompt, item.answer) for item in TAUGHT.benign]


@pytest.mark.parametrize(
    ("steps", "align", "cycles", "runs"),
    [
        (40, 0.1, 20, [1, 9] * 4),
        (20_000, 0.1, 20, [100, 900] * 20),
        (10, 0.5, 2, [2, 2, 3, 3]),
        (3, 0.1, 20, [1, 2]),
        (10, 0.9, 20, [9, 1]),
    ],
)
def test_the_schedule(steps: int, align: float, cycles: int, runs: list[int]) -> None:
    plan = schedule(steps, align, cycles)
    assert len(plan) == steps
    wanted = [index % 2 == 0 for index, count in enumerate(runs) for _ in range(count)]
    assert plan == wanted


def test_what_cannot_be_is_refused(pico: Path) -> None:
    with pytest.raises(UsageError, match="none would train on the attack's rows"):
        schedule(1, 0.1, 20)
    with pytest.raises(UsageError, match="take it once"):
        LISA.prepare(Lisa().prepare(job(pico)))
    with pytest.raises(UsageError, match="what alignment teaches"):
        LISA.prepare(job(pico, taught=None))
