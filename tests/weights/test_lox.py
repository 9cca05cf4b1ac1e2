"""LoX on single tensors: the properties that make it LoX."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lox_bench.errors import NonFiniteError, ShapeError
from lox_bench.weights.lox import extrapolate, low_rank

SHAPES = [(8, 5), (5, 8), (6, 6), (3, 8, 5)]


def pair(
    shape: tuple[int, ...], rng: torch.Generator, dtype: torch.dtype = torch.float32
) -> tuple[torch.Tensor, torch.Tensor]:
    base = torch.randn(shape, generator=rng)
    return base.to(dtype), (base + 0.1 * torch.randn(shape, generator=rng)).to(dtype)


def plain_reference(
    base: torch.Tensor, aligned: torch.Tensor, rank: int, alpha: float
) -> torch.Tensor:
    """LoX written naively in float64, straight from the paper."""
    delta = aligned.double() - base.double()
    u, s, vh = torch.linalg.svd(delta, full_matrices=True)
    step = sum(
        s[..., i, None, None] * u[..., :, i, None] * vh[..., i, None, :] for i in range(rank)
    )
    return aligned.double() + alpha * step


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rank", [1, 3, 5])
def test_the_result_agrees_with_a_plain_svd(
    shape: tuple[int, ...], rank: int, rng: torch.Generator
) -> None:
    base, aligned = pair(shape, rng)
    result = extrapolate(base, aligned, rank=rank, alpha=1.25)
    torch.testing.assert_close(
        result.double(), plain_reference(base, aligned, rank, 1.25), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("rank", [1, 3, 5])
def test_the_added_part_has_the_requested_rank(rng: torch.Generator, rank: int) -> None:
    base, aligned = torch.randn(2, 8, 5, generator=rng)
    added = extrapolate(base, aligned, rank=rank, alpha=2.0) - aligned
    assert torch.linalg.matrix_rank(added, rtol=1e-4) == rank


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_alpha_zero_returns_the_aligned_weight_bit_for_bit(
    rng: torch.Generator, dtype: torch.dtype
) -> None:
    base, aligned = pair((8, 5), rng, dtype)
    assert torch.equal(extrapolate(base, aligned, rank=2, alpha=0.0), aligned)


def test_alpha_zero_returns_a_copy_not_the_caller_s_tensor(rng: torch.Generator) -> None:
    base, aligned = pair((8, 5), rng)
    result = extrapolate(base, aligned, rank=2, alpha=0.0)
    result.zero_()
    assert aligned.abs().sum() > 0


@settings(max_examples=25, deadline=None)
@given(alpha=st.floats(-3, 3), factor=st.floats(0.1, 4), seed=st.integers(0, 99))
def test_the_step_scales_with_alpha(alpha: float, factor: float, seed: int) -> None:
    base, aligned = pair((7, 4), torch.Generator().manual_seed(seed))
    one = extrapolate(base, aligned, rank=2, alpha=alpha) - aligned
    more = extrapolate(base, aligned, rank=2, alpha=factor * alpha) - aligned
    torch.testing.assert_close(more, factor * one, rtol=1e-4, atol=1e-5)


def test_rotating_both_models_rotates_the_result(rng: torch.Generator) -> None:
    base, aligned = pair((8, 5), rng)
    left = torch.linalg.qr(torch.randn(8, 8, generator=rng)).Q
    right = torch.linalg.qr(torch.randn(5, 5, generator=rng)).Q
    rotated = extrapolate(left @ base @ right, left @ aligned @ right, rank=2, alpha=1.25)
    straight = extrapolate(base, aligned, rank=2, alpha=1.25)
    torch.testing.assert_close(rotated, left @ straight @ right, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rank", [None, 5, 99])
def test_full_rank_adds_the_whole_difference(rng: torch.Generator, rank: int | None) -> None:
    base, aligned = pair((8, 5), rng)
    result = extrapolate(base, aligned, rank=rank, alpha=0.5)
    torch.testing.assert_close(result, aligned + 0.5 * (aligned - base))


def test_no_other_matrix_of_that_rank_is_nearer_to_the_difference(rng: torch.Generator) -> None:
    delta = torch.randn(8, 5, generator=rng)
    error = torch.linalg.matrix_norm(delta - low_rank(delta, 2))
    tail = torch.linalg.svdvals(delta)[2:].norm()  # Eckart and Young
    torch.testing.assert_close(error, tail)


def test_equal_models_stay_equal(rng: torch.Generator) -> None:
    weight = torch.randn(8, 5, generator=rng)
    assert torch.equal(extrapolate(weight, weight, rank=2, alpha=1.25), weight)


def test_the_difference_is_taken_in_float32_and_rounded_once(rng: torch.Generator) -> None:
    base, aligned = pair((64, 32), rng, torch.bfloat16)
    exact = aligned.double() + 0.37 * (aligned.double() - base.double())
    wide = extrapolate(base, aligned, rank=None, alpha=0.37, dtype=torch.float32)
    narrow = extrapolate(base, aligned, rank=None, alpha=0.37)
    torch.testing.assert_close(wide.double(), exact, rtol=1e-6, atol=1e-7)
    assert (wide.dtype, narrow.dtype) == (torch.float32, torch.bfloat16)
    assert torch.equal(narrow, wide.to(torch.bfloat16))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(rng: torch.Generator, bad: float) -> None:
    base, aligned = pair((8, 5), rng)
    aligned[0, 0] = bad
    with pytest.raises(NonFiniteError):
        extrapolate(base, aligned, rank=2, alpha=1.0)


@pytest.mark.parametrize(
    ("base", "aligned", "rank"),
    [((8, 5), (5, 8), 1), ((8,), (8,), 1), ((8, 5), (8, 5), 0), ((8, 5), (8, 5), -2)],
)
def test_shapes_and_ranks_without_meaning_are_refused(
    base: tuple[int, ...], aligned: tuple[int, ...], rank: int
) -> None:
    with pytest.raises(ShapeError):
        extrapolate(torch.zeros(base), torch.ones(aligned), rank=rank, alpha=1.0)
