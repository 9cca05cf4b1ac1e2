"""The controls are LoX in size and not in direction; truncation is the base with the top only."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from support.pico import save_pico

from lox_bench.diagnostics.truncated import Truncated
from lox_bench.errors import MismatchError, NonFiniteError, ShapeError, UsageError
from lox_bench.methods.apply import apply_method
from lox_bench.methods.bottom_k import BottomK
from lox_bench.methods.expo import Expo
from lox_bench.methods.method import Folders, TensorMethod, Weights
from lox_bench.methods.random_k import RandomK
from lox_bench.study.family import load_family
from lox_bench.study.models import build_model, read_models
from lox_bench.study.variant import Family, Seeds
from lox_bench.weights.lox import extrapolate, low_rank

SHAPES = [(8, 5), (5, 8), (6, 6), (3, 8, 5)]
CONTROLS = [Expo(0.5), RandomK(2, 0.5, 1), BottomK(2, 0.5)]


def made(
    method: TensorMethod, base: torch.Tensor, aligned: torch.Tensor, name: str = "w"
) -> torch.Tensor:
    return method.tensor(name, Weights(base, aligned, aligned, aligned))


def pair(shape: tuple[int, ...], rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    base = torch.randn(shape, generator=rng)
    return base, base + 0.1 * torch.randn(shape, generator=rng)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("k", [1, 3, 99])
@pytest.mark.parametrize("rule", [RandomK, BottomK])
def test_a_control_s_step_has_the_singular_values_of_the_lox_step(
    rule: Any, shape: tuple[int, ...], k: int, rng: torch.Generator
) -> None:
    base, aligned = (tensor.double() for tensor in pair(shape, rng))
    step = made(rule(k, 0.7), base, aligned) - aligned
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
    step = made(BottomK(2, 1.0), base, aligned) - aligned
    top = low_rank(aligned - base, 2)
    assert (top.mT @ step).abs().max() < 1e-6
    assert (top @ step.mT).abs().max() < 1e-6


def test_bottom_directions_are_those_of_the_smallest_singular_values(
    rng: torch.Generator,
) -> None:
    left, right = (torch.linalg.qr(torch.randn(6, 6, generator=rng)).Q for _ in range(2))
    delta = left @ torch.diag(torch.tensor([6.0, 5, 4, 3, 2, 1])) @ right.T
    step = made(BottomK(1, 1.0), torch.zeros(6, 6), delta) - delta
    torch.testing.assert_close(step.abs(), 6 * torch.outer(left[:, 5], right[:, 5]).abs())


def test_random_directions_depend_on_seed_and_name_alone(rng: torch.Generator) -> None:
    base, aligned = pair((8, 5), rng)
    one, again, other_seed, other_name = (
        made(RandomK(2, 1.0, seed), base, aligned, name)
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
        step = made(RandomK(4, 1.0, seed), base, aligned) - aligned
        shares.append(float((top.T @ step).norm() ** 2 / step.norm() ** 2))
    assert sum(shares) / len(shares) == pytest.approx(4 / 64, abs=0.02)


@pytest.mark.parametrize("shape", [*SHAPES, (7,)])
def test_expo_extrapolates_every_tensor_along_its_whole_difference(
    shape: tuple[int, ...], rng: torch.Generator
) -> None:
    base, aligned = pair(shape, rng)
    result = made(Expo(0.5), base, aligned)
    torch.testing.assert_close(result, aligned + 0.5 * (aligned - base))
    if len(shape) > 1:
        torch.testing.assert_close(result, extrapolate(base, aligned, rank=None, alpha=0.5))


@pytest.mark.parametrize("rule", [Expo(0.0), RandomK(2, 0.0), BottomK(2, 0.0)])
def test_alpha_zero_leaves_the_aligned_weights(rule: Any, rng: torch.Generator) -> None:
    base, aligned = (tensor.to(torch.bfloat16) for tensor in pair((8, 5), rng))
    assert torch.equal(made(rule, base, aligned), aligned)


@pytest.mark.parametrize("rule", [RandomK(2, 1.0), BottomK(2, 1.0)])
def test_vectors_stay_the_aligned_ones(rule: Any, rng: torch.Generator) -> None:
    base, aligned = pair((7,), rng)
    assert made(rule, base, aligned) is aligned


def test_truncation_starts_at_the_base_and_ends_at_the_aligned_model(rng: torch.Generator) -> None:
    base, aligned = pair((8, 5), rng)
    torch.testing.assert_close(made(Truncated(5), base, aligned), aligned)
    step = made(Truncated(2), base, aligned) - base
    torch.testing.assert_close(step, low_rank(aligned - base, 2), rtol=1e-4, atol=1e-6)
    assert torch.equal(made(Truncated(1), base[0], aligned[0]), aligned[0])


@pytest.mark.parametrize("rule", CONTROLS)
def test_nonsense_is_refused(rule: Any, rng: torch.Generator) -> None:
    base, aligned = pair((8, 5), rng)
    with pytest.raises(ShapeError):
        made(rule, base.T, aligned)
    aligned[0, 0] = float("nan")
    with pytest.raises(NonFiniteError):
        made(rule, base, aligned)


@pytest.mark.parametrize("rule", CONTROLS)
def test_a_control_checkpoint_holds_what_the_rule_says(
    rule: Any, pico: Path, pico_aligned: Path, tmp_path: Path, silent: Any
) -> None:
    apply_method(rule, Folders(pico, *[pico_aligned] * 3), tmp_path, silent)
    base, aligned, written = (
        load_file(folder / "model.safetensors") for folder in (pico, pico_aligned, tmp_path)
    )
    assert written.keys() == aligned.keys()
    for name, tensor in written.items():
        expected = made(rule, base[name], aligned[name], name)
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
    with pytest.raises(MismatchError, match=r"mlp\.\w+_proj\.weight"):
        apply_method(Truncated(2), Folders(pico, wide, wide, wide), tmp_path / "out", silent)
    with pytest.raises(MismatchError, match=r"layers\.2"):
        apply_method(Truncated(2), Folders(pico, deep, deep, deep), tmp_path / "out", silent)


def test_models_by_name_have_the_family_s_strength_and_the_run_s_seed() -> None:
    built = {text: built_from(text, 7) for text in ("expo", "random-k", "bottom-k")}
    assert len(set(built.values())) == len(built)
    family = load_family("smollm2-135m").lox
    assert built["random-k"] == RandomK(family.k, family.alpha, 7)
    assert built_from("random-k(k=2,alpha=0.5,seed=1)", 7) == RandomK(2, 0.5, 1)


def built_from(text: str, seed: int) -> Any:
    (model,) = read_models(text)
    family = Family(load_family("smollm2-135m"))
    return build_model(model, family, Seeds(method=seed), 0).methods[0].spec


@pytest.mark.parametrize(
    "text",
    ["expo(k=2)", "random-k(seed=x)", "bottom-k(seed=1)", "truncated", "truncated(r=0)",
     "truncated(k=2)", "random-k(k=0)"],
)  # fmt: skip
def test_arguments_that_a_model_does_not_take_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        built_from(text, 0)
