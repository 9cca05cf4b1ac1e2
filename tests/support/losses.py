"""A training on a pico Llama about to begin, and the comparison of two losses."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import DataCollatorForSeq2Seq

from lox_bench.attacks.encoding import examples, tokenise
from lox_bench.attacks.job import SftJob
from lox_bench.attacks.lora import adapted
from lox_bench.attacks.taught import Answered, Taught
from lox_bench.attacks.terms import Start, Step
from lox_bench.backends.template import Renderer, load_template
from lox_bench.training.run import load_trainable
from lox_bench.training.spec import SftSpec

CHATML = load_template("chatml")
FULL = SftSpec(learning_rate=2e-3, epochs=1, batch_size=4, micro_batch_size=2)
LORA = replace(FULL, lora_r=2, lora_alpha=6, lora_targets="q_proj+up_proj")
ROWS = [(f"What is {i} plus 1?", "It is more than five tokens: " + "so " * i) for i in range(4)]
TAUGHT = Taught(("Do harm.", "Do much harm."), ("No.",), (Answered("Hello?", "Hi."),))


def job(source: Path, **changes: Any) -> SftJob:
    made = SftJob(source, source, source, tuple(ROWS), FULL, CHATML, seed=0, taught=TAUGHT)
    return replace(made, **changes)


def started(held: SftJob) -> Start:
    model, tokenizer = load_trainable(held.source)
    if held.train.lora_r:
        model = adapted(model, held.train, 0, held.frozen)
    renderer, collate = Renderer(tokenizer, CHATML), DataCollatorForSeq2Seq(tokenizer)

    def encoded(rows: Any) -> Any:
        return [tokenise(row, renderer, "completion") for row in rows]

    data, _ = examples(held, renderer)
    return Start(held, model, data, lambda rows: dict(collate(list(rows))), nullcontext, encoded)


def moved(model: Any) -> dict[str, torch.Tensor]:
    """Shift every trainable weight; what is trained by name."""
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(0.05 * torch.randn_like(weight))
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def step_of(start: Start, rows: slice = slice(0, 2), count: int | None = None) -> Step:
    inputs = start.batch(start.data[rows])
    labels = inputs.pop("labels")
    return Step(start.model, inputs, labels, count)


def agree(start: Start, found: torch.Tensor, wanted: torch.Tensor, rtol: float = 1e-4) -> None:
    """Two losses, of one graph each: the same value and the same gradients."""
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
    weights = [weight for weight in start.model.parameters() if weight.requires_grad]
    one, other = (torch.autograd.grad(loss, weights, allow_unused=True) for loss in (found, wanted))
    for a, b in zip(one, other, strict=True):
        zero = torch.zeros(())
        both = [zero if g is None else g for g in (a, b)]
        torch.testing.assert_close(*torch.broadcast_tensors(*both), rtol=rtol, atol=1e-6)
