"""Vaccine: the perturbed loss against a reference by other means; its stage."""

from pathlib import Path

import pytest
import torch
from support.losses import agree, job, moved, started, step_of

from lox_bench.attacks.terms import begun, cross_entropy
from lox_bench.errors import UsageError
from lox_bench.methods.vaccine import Perturbed, attention_modules


def test_the_loss_is_taken_where_attention_outputs_are_moved_uphill(pico: Path) -> None:
    start = started(job(pico, objective=Perturbed(0.8)))
    projections = [layer.self_attn.o_proj for layer in start.model.model.layers]
    outputs: list[torch.Tensor] = []
    hooks = [p.register_forward_hook(lambda _m, _i, out: outputs.append(out)) for p in projections]
    plain = start.model(**step_of(start).inputs, labels=step_of(start).labels).loss
    gradients = torch.autograd.grad(plain, outputs)
    norm = sum((g**2).sum() for g in gradients) ** 0.5
    for hook in hooks:
        hook.remove()
    moves = iter([0.8 * g / norm for g in gradients])
    hooks = [p.register_forward_hook(lambda _m, _i, out: out + next(moves)) for p in projections]
    wanted = start.model(**step_of(start).inputs, labels=step_of(start).labels).loss
    for hook in hooks:
        hook.remove()
    part = begun(start)
    assert part is not None
    found = part(step_of(start))
    assert found.item() > plain.item() + 0.1
    agree(start, found, wanted)


def test_without_a_move_it_is_cross_entropy(pico: Path) -> None:
    start = started(job(pico, objective=Perturbed(0.0)))
    part = begun(start)
    assert part is not None
    moved(start.model)
    agree(start, part(step_of(start)), cross_entropy(step_of(start)))


def test_no_hook_stays_behind(pico: Path) -> None:
    start = started(job(pico, objective=Perturbed(1.0)))
    part = begun(start)
    assert part is not None
    part(step_of(start))
    modules = attention_modules(start.model)
    assert len(modules) == 2
    assert not any(module._forward_hooks for module in modules)


def test_a_model_without_attention_modules_is_refused() -> None:
    with pytest.raises(UsageError, match="has none whose class"):
        attention_modules(torch.nn.Linear(2, 2))
