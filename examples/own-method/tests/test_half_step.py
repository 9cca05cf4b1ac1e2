"""What every method has to keep to, and what this one promises."""

import torch
from lox_bench_halfstep import HalfStep

from lox_bench.methods.method import Weights
from lox_bench.testing import check_method


def test_it_is_a_method() -> None:
    check_method(HalfStep, "share=0.5")
    check_method(HalfStep, "share=0")


def test_attention_moves_and_nothing_else_does() -> None:
    base, aligned = torch.zeros(2, 2), torch.ones(2, 2)
    weights = Weights(base=base, aligned=aligned, start=aligned, tuned=aligned)
    moved = HalfStep(0.5).tensor("model.layers.0.self_attn.q_proj.weight", weights)
    torch.testing.assert_close(moved, torch.full((2, 2), 1.5))
    assert HalfStep(0.5).tensor("model.layers.0.mlp.up_proj.weight", weights) is aligned
