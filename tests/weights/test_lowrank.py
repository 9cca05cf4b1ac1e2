"""The truncated decomposition: as exact as a full one, with a certificate that can be believed."""

import pytest
import torch
from torch import Tensor

from lox_bench.errors import ShapeError
from lox_bench.weights.lowrank import FULL, KRYLOV, TruncatedSvd, truncated_svd

RANK = 6
SHAPES = [(700, 300), (300, 700), (400, 400)]
INDEX = torch.arange(300, dtype=torch.float64)
SPECTRA = {
    "slowly decaying": 0.95**INDEX,  # as a real alignment's: s7 / s6 = 0.95
    "power law": (INDEX + 1) ** -0.4,
    "gap": torch.where(INDEX < RANK, 1.0, 0.5 * 0.99**INDEX),
    "rank-deficient": torch.where(INDEX < 40, 0.9**INDEX, 0.0),
    "rank below k": torch.where(INDEX < 3, 1.0 / (INDEX + 1), 0.0),
    "rank one": torch.where(INDEX < 1, 1.0, 0.0),
    "steep": 0.3**INDEX,
    "far from one": 1e-12 * 0.95**INDEX,
}  # fmt: skip


def with_spectrum(shape: tuple[int, int], sigma: Tensor, rng: torch.Generator) -> Tensor:
    """A float64 matrix with these singular values and random directions."""
    left, right = (
        torch.linalg.qr(torch.randn(n, len(sigma), generator=rng, dtype=torch.float64)).Q
        for n in shape
    )
    return (left * sigma) @ right.mT


def plain_step(delta: Tensor, rank: int) -> Tensor:
    """The projection by a full decomposition in float64."""
    left, sigma, right = torch.linalg.svd(delta.double(), full_matrices=False)
    return (left[:, :rank] * sigma[:rank]) @ right[:rank]


def error(found: TruncatedSvd, exact: Tensor) -> float:
    return float((found.step.double() - exact).norm() / exact.norm())


def residual(delta: Tensor, found: TruncatedSvd) -> float:
    """The certificate once more, from its definition, in float64."""
    left, sigma, right = (part.double() for part in (found.left, found.sigma, found.right))
    forward = (delta.double() @ right.mT - left * sigma).norm(dim=0)
    backward = (delta.double().mT @ left - right.mT * sigma).norm(dim=0)
    return float(torch.maximum(forward, backward).max() / sigma[0])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_the_step_is_that_of_a_full_decomposition(
    shape: tuple[int, int], spectrum: str, rng: torch.Generator
) -> None:
    delta = with_spectrum(shape, SPECTRA[spectrum], rng).float()
    found = truncated_svd(delta, RANK)
    assert found.method == KRYLOV
    assert error(found, plain_step(delta, RANK)) < 2e-6
    assert found.residual < 4e-6
    assert residual(delta, found) < found.residual + 1e-6


@pytest.mark.parametrize("spectrum", SPECTRA)
def test_float64_gives_twice_the_digits(spectrum: str, rng: torch.Generator) -> None:
    delta = with_spectrum((300, 500), SPECTRA[spectrum], rng)
    found = truncated_svd(delta, RANK)
    assert error(found, plain_step(delta, RANK)) < 1e-10
    assert found.left.dtype == found.sigma.dtype == found.right.dtype == torch.float64


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("rank", [1, 6, 20, 300, 999])
def test_factors_are_orthonormal_and_values_descend(
    spectrum: str, rank: int, rng: torch.Generator
) -> None:
    delta = with_spectrum((400, 300), SPECTRA[spectrum], rng).float()
    found = truncated_svd(delta, rank)
    kept = min(rank, 300)
    assert (found.left.shape, found.right.shape) == ((400, kept), (kept, 300))
    eye = torch.eye(kept)
    torch.testing.assert_close(found.left.mT @ found.left, eye, rtol=0, atol=2e-5)
    torch.testing.assert_close(found.right @ found.right.mT, eye, rtol=0, atol=2e-5)
    assert (found.sigma.diff() <= 0).all()
    expected = torch.linalg.svdvals(delta.double())[:kept].float()
    torch.testing.assert_close(found.sigma, expected, rtol=0, atol=3e-6 * float(expected[0]))


@pytest.mark.parametrize(("repeated", "rank"), [(3, 2), (12, 6), (300, 6), (40, 20)])
def test_among_equal_values_any_best_approximation_will_do(
    repeated: int, rank: int, rng: torch.Generator
) -> None:
    sigma = torch.where(repeated > INDEX, 1.0, 0.5 * 0.98**INDEX)
    delta = with_spectrum((500, 300), sigma, rng).float()
    found = truncated_svd(delta, rank)
    distance = float((delta - found.step).double().square().sum())
    best = float(sigma[rank:].square().sum())  # Eckart and Young
    assert distance == pytest.approx(best, rel=1e-5)
    assert found.residual < 4e-6


def test_nearly_equal_values_keep_the_certificate_honest(rng: torch.Generator) -> None:
    """The step may differ from the exact one by residual / gap, and by no more."""
    sigma = torch.where(INDEX < RANK, 1.0, 0.9995) * 0.9999**INDEX
    delta = with_spectrum((500, 300), sigma, rng).float()
    found = truncated_svd(delta, RANK)
    gap = float(sigma[RANK - 1] - sigma[RANK])
    assert error(found, plain_step(delta, RANK)) < 2 * found.residual / gap
    assert residual(delta, found) < found.residual + 1e-6


def test_a_matrix_of_zeros_has_a_step_of_zeros() -> None:
    found = truncated_svd(torch.zeros(300, 200), RANK)
    assert not found.step.any()
    assert found.residual == 0.0
    torch.testing.assert_close(found.left.mT @ found.left, torch.eye(RANK))


def test_a_spent_budget_falls_back_to_the_full_decomposition(rng: torch.Generator) -> None:
    delta = torch.randn(200, 200, generator=rng)
    found = truncated_svd(delta.double(), RANK, tolerance=0.0)
    assert found.method == FULL
    assert error(found, plain_step(delta, RANK)) < 1e-10


def test_small_matrices_are_decomposed_fully(rng: torch.Generator) -> None:
    found = truncated_svd(torch.randn(60, 900, generator=rng), RANK)
    assert found.method == FULL
    assert found.residual < 1e-5


def test_equal_seeds_give_equal_bits_and_others_the_same_step(rng: torch.Generator) -> None:
    delta = with_spectrum((300, 400), SPECTRA["slowly decaying"], rng).float()
    one, again, other = (truncated_svd(delta, RANK, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one.left, again.left)
    assert torch.equal(one.right, again.right)
    assert not torch.equal(one.left, other.left)
    assert error(other, one.step.double()) < 2e-6


def test_a_transposed_view_is_as_good_as_a_matrix_of_its_own(rng: torch.Generator) -> None:
    delta = with_spectrum((300, 400), SPECTRA["power law"], rng).float()
    straight, turned = truncated_svd(delta, RANK), truncated_svd(delta.mT, RANK)
    assert error(turned, straight.step.double().mT) < 2e-6


@pytest.mark.parametrize(
    ("delta", "rank"),
    [(torch.zeros(3, 4, 5), 1), (torch.zeros(3), 1), (torch.zeros(3, 4), 0),
     (torch.zeros(3, 4, dtype=torch.bfloat16), 1)],
)  # fmt: skip
def test_what_has_no_decomposition_is_refused(delta: Tensor, rank: int) -> None:
    with pytest.raises(ShapeError):
        truncated_svd(delta, rank)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_gpu_finds_the_same_step(rng: torch.Generator) -> None:
    delta = with_spectrum((500, 300), SPECTRA["slowly decaying"], rng).float()
    there = truncated_svd(delta.cuda(), RANK)
    assert there.left.is_cuda
    assert error(TruncatedSvd(there.left.cpu(), there.sigma.cpu(), there.right.cpu(), 0, ""),
                 plain_step(delta, RANK)) < 2e-6  # fmt: skip
