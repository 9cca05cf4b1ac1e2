"""Spectra and subspaces: right on matrices whose answer is known."""

import math

import pytest
import torch

from lox_bench.diagnostics.diagnose import measure_matrix
from lox_bench.diagnostics.measures import Settings
from lox_bench.diagnostics.naming import place_of
from lox_bench.diagnostics.spectrum import (
    energy,
    entropy_rank,
    participation_ratio,
    rank_for,
    spectrum,
    stable_rank,
)
from lox_bench.diagnostics.subspace import concentration, cosine, overlap, unchanged_share
from lox_bench.errors import NonFiniteError

SHAPES = [(12, 7), (7, 12), (9, 9), (40, 3), (1, 6), (6, 1)]


def of_sigma(sigma: list[float], shape: tuple[int, int], rng: torch.Generator) -> torch.Tensor:
    """A random matrix with given singular values."""
    left, right = (
        torch.linalg.qr(torch.randn(size, len(sigma), generator=rng, dtype=torch.float64)).Q
        for size in shape
    )
    return left @ torch.diag(torch.tensor(sigma, dtype=torch.float64)) @ right.T


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("k", [1, 3, 20])
def test_the_spectrum_is_that_of_a_plain_svd(
    shape: tuple[int, int], k: int, rng: torch.Generator
) -> None:
    delta = torch.randn(shape, generator=rng)
    u, sigma, vh = torch.linalg.svd(delta.double(), full_matrices=False)
    found = spectrum(delta, k, whole=True)
    torch.testing.assert_close(found.sigma, sigma, rtol=1e-7, atol=1e-9)
    k = min(k, *shape)
    assert (found.left.shape, found.right.shape) == ((shape[0], k), (shape[1], k))
    torch.testing.assert_close(found.left @ found.left.T, u[:, :k] @ u[:, :k].T)
    step = found.left @ torch.diag(found.sigma[:k]) @ found.right.T
    torch.testing.assert_close(step, u[:, :k] @ torch.diag(sigma[:k]) @ vh[:k])


@pytest.mark.parametrize("shape", [(12, 7), (7, 12)])
def test_bases_are_orthonormal_even_where_the_matrix_has_no_directions_left(
    shape: tuple[int, int], rng: torch.Generator
) -> None:
    for delta in (of_sigma([3.0, 1.0], shape, rng), torch.zeros(shape)):
        found = spectrum(delta, 5, whole=True)
        for basis in (found.left, found.right):
            torch.testing.assert_close(basis.T @ basis, torch.eye(5, dtype=torch.float64))


def test_the_top_alone_agrees_with_the_whole(rng: torch.Generator) -> None:
    sigma = [0.9**i for i in range(150)]
    delta = of_sigma(sigma, (300, 200), rng).float()
    whole, top = (spectrum(delta, 4, whole=flag, top=16) for flag in (True, False))
    assert (whole.method, top.method, len(top.sigma)) == ("full", "top", 16)
    torch.testing.assert_close(top.sigma, whole.sigma[:16], rtol=1e-5, atol=1e-7)
    assert overlap(whole.left, top.left).share == pytest.approx(1.0, abs=1e-6)
    assert overlap(whole.right, top.right).share == pytest.approx(1.0, abs=1e-6)
    assert energy(top, 4) == pytest.approx(energy(whole, 4), rel=1e-5)
    assert stable_rank(top) == pytest.approx(stable_rank(whole), rel=1e-5)
    assert participation_ratio(top) is None
    assert entropy_rank(top) is None


def test_rank_measures_on_a_flat_spectrum_count_its_directions(rng: torch.Generator) -> None:
    found = spectrum(of_sigma([2.0] * 5, (30, 20), rng), 3, whole=True)
    assert stable_rank(found) == pytest.approx(5)
    assert participation_ratio(found) == pytest.approx(5)
    assert entropy_rank(found) == pytest.approx(5, rel=1e-4)
    assert energy(found, 3) == pytest.approx(3 / 5)
    assert rank_for(found, 0.6) == 3
    assert rank_for(found, 1.0) == 5


def test_a_single_direction_has_rank_one_by_every_measure(rng: torch.Generator) -> None:
    found = spectrum(of_sigma([4.0], (9, 6), rng), 2, whole=True)
    measured = stable_rank(found), participation_ratio(found), entropy_rank(found)
    assert measured == pytest.approx((1, 1, 1), abs=1e-5)
    assert energy(found, 1) == pytest.approx(1)
    assert rank_for(found, 0.9) == 1


def test_a_zero_difference_has_no_rank_and_no_concentration() -> None:
    found = spectrum(torch.zeros(6, 4), 2, whole=True)
    assert (stable_rank(found), entropy_rank(found), energy(found, 2)) == (0, 0, 0)
    assert math.isnan(concentration(found.left, torch.zeros(6, 4)))


def test_concentration_of_the_alignment_is_the_root_of_its_energy(rng: torch.Generator) -> None:
    delta = of_sigma([5.0, 3.0, 2.0, 1.0], (12, 8), rng)
    found = spectrum(delta, 2, whole=True)
    assert concentration(found.left, delta) == pytest.approx(math.sqrt(34 / 39))
    assert concentration(found.left, delta) == pytest.approx(math.sqrt(energy(found, 2)))


def test_fine_tuning_inside_the_subspace_keeps_concentration_and_outside_loses_it(
    rng: torch.Generator,
) -> None:
    delta = of_sigma([5.0, 3.0], (12, 8), rng)
    found = spectrum(delta, 2, whole=True)
    inside = found.left @ torch.randn(2, 8, generator=rng, dtype=torch.float64)
    drawn = torch.randn(12, 8, generator=rng, dtype=torch.float64)
    outside = drawn - found.left @ (found.left.T @ drawn)
    outside *= delta.norm() / outside.norm()
    assert concentration(found.left, delta + inside) == pytest.approx(1)
    assert concentration(found.left, delta + outside) == pytest.approx(math.sqrt(0.5))


def test_overlap_knows_equal_orthogonal_and_slanted_planes() -> None:
    eye = torch.eye(6)
    assert overlap(eye[:, :2], eye[:, :2]).share == 1
    apart = overlap(eye[:, :2], eye[:, 2:4])
    assert (apart.share, apart.smallest_angle, apart.chance) == (0, pytest.approx(90), 2 / 6)
    turned = torch.stack([eye[:, 0], (eye[:, 1] + math.sqrt(3) * eye[:, 2]) / 2], dim=1)
    slanted = overlap(eye[:, :2], turned)
    assert slanted.share == pytest.approx((1 + 0.25) / 2)
    assert slanted.smallest_angle == pytest.approx(0, abs=0.1)
    assert slanted.largest_angle == pytest.approx(60, abs=1e-4)


def test_undoing_a_change_has_a_negative_cosine(rng: torch.Generator) -> None:
    delta, other = torch.randn(2, 8, 5, generator=rng)
    assert cosine(delta, -0.3 * delta) == pytest.approx(-1)
    aside = other - (other * delta).sum() / (delta * delta).sum() * delta
    assert cosine(delta, aside) == pytest.approx(0, abs=1e-6)
    assert math.isnan(cosine(delta, torch.zeros(8, 5)))


def test_random_subspaces_overlap_by_chance(rng: torch.Generator) -> None:
    shares = []
    for _ in range(30):
        one, other = (torch.linalg.qr(torch.randn(50, 5, generator=rng)).Q for _ in range(2))
        shares.append(overlap(one, other).share)
    assert sum(shares) / len(shares) == pytest.approx(5 / 50, abs=0.02)


def test_a_step_below_half_a_unit_in_the_last_place_is_rounded_away() -> None:
    weight = torch.ones(4, 4)  # bf16 spacing above 1 is 2^-7
    step = torch.full((4, 4), 2.0**-9)
    step[0] = 2.0**-6
    assert unchanged_share(weight, step, alpha=1.0) == 12 / 16
    assert unchanged_share(weight, step, alpha=1.0, dtype=torch.float32) == 0
    assert unchanged_share(weight, step, alpha=0.0) == 1


def test_a_report_without_fine_tuning_leaves_its_measures_empty(rng: torch.Generator) -> None:
    base, delta = torch.randn(2, 10, 6, generator=rng)
    alone = measure_matrix(
        "model.layers.4.mlp.up_proj.weight", (base, base + delta), Settings(2, 1.0)
    )
    assert (alone.report.layer, alone.report.projection) == (4, "up_proj")
    assert (alone.report.r_ft, alone.report.overlap_left) == (None, None)
    same = measure_matrix(
        "lm_head.weight", (base, base + delta, base + delta), Settings(2, 1.0)
    ).report
    assert same.r_ft == pytest.approx(same.r_align)
    assert (same.norm_ft, same.overlap_left) == (0, None)


def test_nan_is_refused() -> None:
    with pytest.raises(NonFiniteError):
        spectrum(torch.tensor([[1.0, float("nan")], [0.0, 1.0]]), 1, whole=True)


@pytest.mark.parametrize(
    ("name", "layer", "projection"),
    [
        ("model.layers.12.self_attn.q_proj.weight", 12, "q_proj"),
        ("model.embed_tokens.weight", None, "embed_tokens"),
        ("lm_head.weight", None, "lm_head"),
        ("transformer.h.3.mlp.c_fc.weight", 3, "c_fc"),
        ("model.layers.0.mlp.experts.7.up_proj.weight", 0, "experts.up_proj"),
        ("model.layers.0.mlp.experts.gate_up_proj[5]", 0, "experts.gate_up_proj"),
    ],
)
def test_names_say_where_a_matrix_sits(name: str, layer: int | None, projection: str) -> None:
    place = place_of(name)
    assert (place.layer, place.projection) == (layer, projection)
    assert place.is_linear == (layer is not None)
