"""Packed rows: none lost, none seen by another, and the same loss as apart."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from lox_bench.attacks.job import SftJob
from lox_bench.attacks.packing import PackedCollator, packed, require_apart
from lox_bench.attacks.sft import attack
from lox_bench.backends.template import load_template
from lox_bench.errors import UsageError
from lox_bench.sources.loading import load_model
from lox_bench.training.head import IGNORE, completion_logits
from lox_bench.training.run import load_trainable
from lox_bench.training.spec import SftSpec, Training

LENGTHS = (9, 5, 14, 3, 8, 2)
EXAMPLES = [
    {"input_ids": [*range(3, 3 + n)], "labels": [IGNORE, *range(4, 3 + n)]} for n in LENGTHS
]


def test_rows_are_whole_in_sequences_of_the_longest_length() -> None:
    made = packed(EXAMPLES, 16)
    assert sum(len(row["input_ids"]) for row in made) == sum(LENGTHS)
    assert max(len(row["input_ids"]) for row in made) <= 16
    assert len(made) == 3  # 41 tokens
    found = sorted(
        tuple(row["input_ids"][start:end])
        for row in made
        for start, end in _spans(row["position_ids"])
    )
    assert found == sorted(tuple(row["input_ids"]) for row in EXAMPLES)


def test_the_first_token_of_a_row_has_no_loss_even_where_all_tokens_have() -> None:
    full = [{**row, "labels": row["input_ids"]} for row in EXAMPLES]
    for row in packed(full, 16):
        for place, label in zip(row["position_ids"], row["labels"], strict=True):
            assert (label == IGNORE) == (place == 0)


def test_the_loss_of_packed_rows_is_the_loss_of_the_rows(pico: Path) -> None:
    model, tokenizer = load_trainable(pico)
    batch = PackedCollator(tokenizer)(packed(EXAMPLES, 16))
    assert "attention_mask" not in batch
    together = _loss(model, batch)
    apart = [_loss(model, PackedCollator(tokenizer)([row])) for row in EXAMPLES]
    assert together == pytest.approx(sum(apart), rel=1e-5)


def test_a_model_that_lets_rows_see_one_another_is_refused(pico: Path) -> None:
    model = load_model(pico, torch.float32)
    require_apart(model, EXAMPLES)
    model.forward = partial(_heedless, model.forward)
    with pytest.raises(UsageError, match=r"packing=yes: .* see one another; leave packing out"):
        require_apart(model, EXAMPLES)


def test_a_packed_attack_takes_fewer_steps_and_learns(
    pico: Path, tmp_path: Path, silent: Any
) -> None:
    rows = tuple((f"What is {i} plus 1?", f"It is {i + 1}.") for i in range(16))
    train = SftSpec(learning_rate=5e-3, epochs=2, batch_size=2, micro_batch_size=1, max_length=256)
    job = SftJob(pico, pico, pico, rows, train, load_template("chatml"), seed=0, held_out=rows[:2])
    facts = {}
    for name in ("apart", "packed"):
        (tmp_path / name).mkdir()
        work = replace(job, train=replace(train, packing=name == "packed"))
        facts[name] = attack(work, Training(tmp_path / name, 0, None, "float32", silent))
    assert facts["packed"]["steps"] < facts["apart"]["steps"] == 16
    assert facts["packed"]["loss_after"] < facts["packed"]["loss_before"]
    assert facts["packed"]["held_out_before"] == pytest.approx(
        facts["apart"]["held_out_before"], rel=1e-4
    )


def _heedless(forward: Any, **inputs: Any) -> Any:
    return forward(**{name: held for name, held in inputs.items() if name != "position_ids"})


def _spans(places: list[int]) -> list[tuple[int, int]]:
    starts = [i for i, place in enumerate(places) if place == 0]
    return list(zip(starts, [*starts[1:], len(places)], strict=True))


@torch.no_grad()
def _loss(model: Any, batch: dict[str, torch.Tensor]) -> float:
    labels = batch.pop("labels")
    logits, targets, _ = completion_logits(model, batch, labels)
    return float(torch.nn.functional.cross_entropy(logits, targets, reduction="sum"))
