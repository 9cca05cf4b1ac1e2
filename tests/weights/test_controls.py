"""The controls are LoX in size and not in direction; truncation is the base with the top only."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lox_bench.study.variants import Control, Truncated
from safetensors.torch import load_file
from support.pico import save_pico

from lox_bench.engine.stage import key_of
from lox_bench.errors import MismatchError, NonFiniteError, ShapeError, UsageError
from lox_bench.grammar import parse_call
from lox_bench.sources.stage import Source
from lox_bench.study.family import load_family
from lox_bench.study.models import build_model
from lox_bench.study.variant import Family
from lox_bench.weights.combine import combine_checkpoints
from lox_bench.weights.controls import (
    RULES,
    Strength,
    bottom_k,
    expo,
    random_k,
    rule_of,
    truncated,
)
from lox_bench.weights.lox import extrapolate, low_rank

SHAPES = [(8, 5), (5, 8), (6, 6), (3, 8, 5)]
FAMILY = load_family("smollm2-135m")
SOURCES = [Source(name, f"sha256:{name}", "float32") for name in ("base", "aligned")]


def pair(shape: tuple[int, ...], rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    base = torch.randn(shape, generator=rng)
    return base, base + 0.1 * torch.randn(shape, generator=rng)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("k", [1, 3, 99])
@pytest.mark.parametrize("rule", [random_k, bottom_k])
def test_a_control_s_step_has_the_singular_values_of_the_lox_step(
    rule: Any, shape: tuple[int, ...], k: int, rng: torch.Generator
) -> None:
    base, aligned = (tensor.double() for tensor in pair(shape, rng))
    step = rule("w", base, aligned, Strength(k, 0.7)) - aligned
    lox = extrapolate(base, aligned, rank=k, alpha=0.7) - aligned
    torch.testing.assert_close(
        torch.linalg.svdvals(step), torch.linalg.svdvals(lox), rtol=1e-4, atol=1e-6
    )
    torch.testing.assert_close(
        torch.linalg.matrix_norm(step), torch.linalg.matrix_norm(lox), rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_bottom_directions_are_orthogonal_to_the_top_ones_on_both_sides(
    shape: tuple[int, ...], rng: torch.Generator
) -> None:
    base, aligned = (tensor.double() for tensor in pair(shape, rng))
    step = bottom_k("w", base, aligned, Strength(2, 1.0)) - aligned
    top = low_rank(aligned - base, 2)
    assert (top.mT @ step).abs().max() < 1e-6
    assert (top @ step.mT).abs().max() < 1e-6


def test_bottom_directions_are_those_of_the_smallest_singular_values(
    rng: torch.Generator,
) -> None:
    left, right = (torch.linalg.qr(torch.randn(6, 6, generator=rng)).Q for _ in range(2))
    delta = left @ torch.diag(torch.tensor([6.0, 5, 4, 3, 2, 1])) @ right.T
    step = bottom_k("w", torch.zeros(6, 6), delta, Strength(1, 1.0)) - delta
    torch.testing.assert_close(step.abs(), 6 * torch.outer(left[:, 5], right[:, 5]).abs())


def test_random_directions_depend_on_seed_and_name_alone(rng: torch.Generator) -> None:
    base, aligned = pair((8, 5), rng)
    one, again, other_seed, other_name = (
        random_k(name, base, aligned, Strength(2, 1.0, seed))
        for name, seed in (("w", 0), ("w", 0), ("w", 1), ("v", 0))
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other_seed)
    assert not torch.equal(one, other_name)


def test_random_directions_meet_the_top_ones_no_more_than_by_chance() -> None:
    rng = torch.Generator().manual_seed(3)
    base, aligned = pair((64, 48), rng)
    top = torch.linalg.svd(aligned - base).U[:, :4]
    shares = []
    for seed in range(40):
        step = random_k("w", base, aligned, Strength(4, 1.0, seed)) - aligned
        shares.append(float((top.T @ step).norm() ** 2 / step.norm() ** 2))
    assert sum(shares) / len(shares) == pytest.approx(4 / 64, abs=0.02)


@pytest.mark.parametrize("shape", [*SHAPES, (7,)])
def test_expo_extrapolates_every_tensor_along_its_whole_difference(
    shape: tuple[int, ...], rng: torch.Generator
) -> None:
    base, aligned = pair(shape, rng)
    result = expo("w", base, aligned, Strength(None, 0.5))
    torch.testing.assert_close(result, aligned + 0.5 * (aligned - base))
    if len(shape) > 1:
        torch.testing.assert_close(result, extrapolate(base, aligned, rank=None, alpha=0.5))


@pytest.mark.parametrize("rule", RULES)
def test_alpha_zero_leaves_the_aligned_weights(rule: str, rng: torch.Generator) -> None:
    base, aligned = (tensor.to(torch.bfloat16) for tensor in pair((8, 5), rng))
    assert torch.equal(RULES[rule]("w", base, aligned, Strength(2, 0.0)), aligned)


@pytest.mark.parametrize("rule", ["random-k", "bottom-k"])
def test_vectors_stay_the_aligned_ones(rule: str, rng: torch.Generator) -> None:
    base, aligned = pair((7,), rng)
    assert torch.equal(RULES[rule]("w", base, aligned, Strength(2, 1.0)), aligned)


def test_truncation_starts_at_the_base_and_ends_at_the_aligned_model(rng: torch.Generator) -> None:
    base, aligned = pair((8, 5), rng)
    torch.testing.assert_close(truncated(base, aligned, 5), aligned)
    step = truncated(base, aligned, 2) - base
    torch.testing.assert_close(step, low_rank(aligned - base, 2), rtol=1e-4, atol=1e-6)
    assert torch.equal(truncated(base[0], aligned[0], 1), aligned[0])


@pytest.mark.parametrize("rule", RULES)
def test_nonsense_is_refused(rule: str, rng: torch.Generator) -> None:
    base, aligned = pair((8, 5), rng)
    with pytest.raises(ShapeError):
        RULES[rule]("w", base.T, aligned, Strength(2, 1.0))
    aligned[0, 0] = float("nan")
    with pytest.raises(NonFiniteError):
        RULES[rule]("w", base, aligned, Strength(2, 1.0))


@pytest.mark.parametrize("rule", RULES)
def test_a_control_checkpoint_holds_what_the_rule_says(
    rule: str, pico: Path, pico_aligned: Path, tmp_path: Path, silent: Any
) -> None:
    recipe = Control(*SOURCES, rule=rule, k=2, alpha=0.5, seed=1)
    combine_checkpoints((pico, pico_aligned), tmp_path, rule_of(recipe), silent)
    base, aligned, made = (
        load_file(folder / "model.safetensors") for folder in (pico, pico_aligned, tmp_path)
    )
    assert made.keys() == aligned.keys()
    for name, tensor in made.items():
        expected = RULES[rule](name, base[name], aligned[name], Strength(2, 0.5, 1))
        assert torch.equal(tensor, expected)
    assert (tmp_path / "tokenizer.json").read_bytes() == (
        pico_aligned / "tokenizer.json"
    ).read_bytes()


def test_a_tensor_that_cannot_be_combined_is_named(
    pico: Path, tokenizer: Any, tmp_path: Path, silent: Any
) -> None:
    wide = save_pico(tmp_path / "wide", tokenizer, intermediate_size=128)
    deep = save_pico(tmp_path / "deep", tokenizer, num_hidden_layers=3)
    (tmp_path / "out").mkdir()
    rule = rule_of(Truncated(*SOURCES, rank=2))
    with pytest.raises(MismatchError, match=r"mlp\.\w+_proj\.weight"):
        combine_checkpoints((pico, wide), tmp_path / "out", rule, silent)
    with pytest.raises(MismatchError, match=r"layers\.2"):
        combine_checkpoints((pico, deep), tmp_path / "out", rule, silent)


def test_models_by_name_have_the_family_s_strength_and_the_run_s_seed() -> None:
    recipes = Family(FAMILY, seed=7)
    built = {
        text: build_model(parse_call(text), recipes)[1]
        for text in ("lox", "expo", "random-k", "bottom-k", "random-k(k=2,alpha=0.5,seed=1)")
    }
    assert len({key_of(recipe) for recipe in built.values()}) == len(built)
    drawn = built["random-k"]
    assert isinstance(drawn, Control)
    assert (drawn.k, drawn.alpha, drawn.seed) == (FAMILY.lox.k, FAMILY.lox.alpha, 7)
    chosen = built["random-k(k=2,alpha=0.5,seed=1)"]
    assert isinstance(chosen, Control)
    assert (chosen.k, chosen.alpha, chosen.seed) == (2, 0.5, 1)


@pytest.mark.parametrize(
    "text",
    ["expo(k=2)", "random-k(seed=x)", "bottom-k(seed=1)", "truncated", "truncated(r=0)",
     "truncated(k=2)", "random-k(k=0)"],
)  # fmt: skip
def test_arguments_that_a_model_does_not_take_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        build_model(parse_call(text), Family(FAMILY))
