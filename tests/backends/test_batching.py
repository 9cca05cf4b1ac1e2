"""Batches: of like lengths, within a budget, halved where memory runs out, and no answer lost."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from support.prompts import MESSAGES

from lox_bench.backends import batching
from lox_bench.backends.batching import Budget, in_batches, is_out_of_memory
from lox_bench.backends.hf import HFGenerator
from lox_bench.backends.template import load_template
from lox_bench.errors import SourceError

CHATML = load_template("chatml")


@pytest.fixture(autouse=True)
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "_BUDGETS", {})


def batches(lengths: list[int], new: int, rows: int, budget: Budget) -> Iterator[list[int]]:
    for done in in_batches(lengths, new, rows=rows, budget=budget, work=lambda batch: batch):
        assert all(position == same for position, same in done)
        yield [position for position, _ in done]


def test_the_longest_come_first_and_no_batch_has_too_many_rows_or_tokens() -> None:
    budget = Budget()
    lengths = [5, 90, 7, 90, 6, 400]
    assert list(batches(lengths, 10, 2, budget)) == [[5, 1], [3, 2], [4, 0]]
    budget.tokens = 210
    assert list(batches(lengths, 10, 9, budget)) == [[5], [1, 3], [2, 4, 0]]


def test_within_the_usual_budget_batches_are_those_of_rows_alone() -> None:
    """Answers in bfloat16 depend on their company: stored ones must be what is made today."""
    lengths = [(37 * i) % 140 for i in range(300)]
    order = sorted(range(300), key=lambda i: (-lengths[i], i))
    wanted = [order[start : start + 50] for start in range(0, 300, 50)]
    assert list(batches(lengths, 512, 50, Budget())) == wanted


def crowded(generator: HFGenerator, monkeypatch: pytest.MonkeyPatch, most: int) -> list[int]:
    """The model's own ``generate`` raises as a GPU without memory does, for over ``most`` rows."""
    tried: list[int] = []
    generate = generator._model.generate

    def short_of_memory(**given: Any) -> Any:
        tried.append(len(given["input_ids"]))
        if tried[-1] > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return generate(**given)

    monkeypatch.setattr(generator._model, "generate", short_of_memory)
    return tried


def test_a_batch_that_does_not_fit_is_halved_and_that_is_remembered(
    pico: Path, silent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = HFGenerator(pico, CHATML, batch_size=5, dtype="float32")
    wanted = plain.generate(MESSAGES, max_new_tokens=8, progress=silent)
    assert plain.facts == {}
    generator = HFGenerator(pico, CHATML, batch_size=5, dtype="float32")
    tried = crowded(generator, monkeypatch, 2)
    assert generator.generate(MESSAGES, max_new_tokens=8, progress=silent) == wanted
    assert tried[0] == 5
    assert tried[1] <= 2
    first = len(tried)
    assert generator.generate(MESSAGES[:2], max_new_tokens=8, progress=silent) == wanted[:2]
    assert max(tried[first:]) <= 2
    again = HFGenerator(pico, CHATML, batch_size=5, dtype="float32")  # another model of this shape
    tried = crowded(again, monkeypatch, 2)
    assert again.generate(MESSAGES, max_new_tokens=8, progress=silent) == wanted
    assert max(tried) <= 2
    assert set(again.facts) == {"batch_tokens"}


def test_one_answer_that_does_not_fit_is_one_line(
    pico: Path, silent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = HFGenerator(pico, CHATML, dtype="float32")
    crowded(generator, monkeypatch, 0)
    with pytest.raises(SourceError, match="memory runs out on a single prompt"):
        generator.generate(MESSAGES, max_new_tokens=8, progress=silent)


def test_any_other_failure_is_nobody_s_memory(
    pico: Path, silent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = HFGenerator(pico, CHATML, dtype="float32")

    def broken(**_: Any) -> Any:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(generator._model, "generate", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        generator.generate(MESSAGES, max_new_tokens=8, progress=silent)


@pytest.mark.parametrize(
    ("error", "is_it"),
    [
        (torch.OutOfMemoryError("x"), True),
        (MemoryError(), True),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
            True,
        ),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried"), True),
        (RuntimeError("device-side assert"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_is_short_of_memory(error: Exception, is_it: bool) -> None:
    assert is_out_of_memory(error) is is_it
