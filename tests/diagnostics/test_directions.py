"""Directions in weight space: sized like the weights, orthogonal, reproducible, streamed."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.pico import save_pico

from lox_bench.diagnostics.directions import FILTER, TENSOR, Gram, moved, random_step
from lox_bench.diagnostics.perturb import Frame, measure_frame, perturb_checkpoint
from lox_bench.diagnostics.ways import Anywhere
from lox_bench.errors import NonFiniteError, UsageError


def weights(folder: Path) -> dict[str, torch.Tensor]:
    held: dict[str, torch.Tensor] = load_file(folder / "model.safetensors")
    return held


def flat(tensors: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([tensors[name].double().flatten() for name in sorted(tensors)])


def test_a_filter_step_has_the_norm_of_every_row(rng: torch.Generator) -> None:
    weight = torch.randn(6, 4, generator=rng) * torch.arange(6.0)[:, None]
    step = random_step("w", weight, seed=0, norm=FILTER)
    torch.testing.assert_close(step.norm(dim=1), weight.norm(dim=1))
    assert not random_step("v", weight[0], seed=0, norm=FILTER).any()


@pytest.mark.parametrize("shape", [(6, 4), (5,), (2, 6, 4)])
def test_a_tensor_step_has_the_norm_of_the_whole(
    shape: tuple[int, ...], rng: torch.Generator
) -> None:
    weight = torch.randn(shape, generator=rng)
    step = random_step("w", weight, seed=0, norm=TENSOR)
    torch.testing.assert_close(step.norm(), weight.norm())


def test_a_random_step_is_its_seed_s_and_its_tensor_s(rng: torch.Generator) -> None:
    weight = torch.randn(6, 4, generator=rng)
    one, again, other, elsewhere = (
        random_step(name, weight, seed=seed, norm=FILTER)
        for name, seed in (("w", 0), ("w", 0), ("w", 1), ("v", 0))
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert not torch.equal(one, elsewhere)


def test_coordinates_are_along_orthogonal_axes(rng: torch.Generator) -> None:
    first, second = torch.randn(2, 6, 4, generator=rng, dtype=torch.float64)
    gram = Gram()
    for row in range(6):  # summed in parts, as a checkpoint is
        gram.add([first[row], second[row]])

    def at(x: float, y: float) -> torch.Tensor:
        a, b = gram.factors((x, y))
        return a * first + b * second

    assert (at(1, 0) * at(0, 1)).sum().abs() < 1e-12
    torch.testing.assert_close(at(1, 0), first)
    assert at(1, 0).norm() == pytest.approx(gram.lengths[0])
    assert at(0, 1).norm() == pytest.approx(gram.lengths[1])
    torch.testing.assert_close(at(gram.shadow, 1), second)  # the second end lies at y = 1


def test_a_step_of_nothing_and_a_step_to_nowhere(rng: torch.Generator) -> None:
    weight = torch.randn(3, 2, generator=rng).to(torch.bfloat16)
    step = torch.randn(3, 2, generator=rng)
    assert torch.equal(moved(weight, [step], [0.0]), weight)
    with pytest.raises(NonFiniteError):
        moved(weight, [step], [float("inf")])


@pytest.fixture(scope="module")
def third(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Path:
    return save_pico(tmp_path_factory.mktemp("third"), tokenizer, seed=2)


def test_the_ends_of_the_directions_lie_where_they_should(
    pico: Path, pico_aligned: Path, third: Path, tmp_path: Path, silent: Any
) -> None:
    frame = Frame(pico, ((pico, pico_aligned), (pico, third)))
    gram = Gram(**measure_frame(frame, silent))
    for steps, end in (((1.0, 0.0), pico_aligned), ((gram.shadow, 1.0), third)):
        out = tmp_path / str(steps)
        out.mkdir()
        perturb_checkpoint(frame, gram, steps, out, silent)
        for name, tensor in weights(end).items():
            torch.testing.assert_close(weights(out)[name], tensor, rtol=1e-4, atol=1e-5)


def test_distances_on_the_plane_are_those_in_weight_space(
    pico: Path, pico_aligned: Path, tmp_path: Path, silent: Any
) -> None:
    frame = Frame(pico, ((pico, pico_aligned), Anywhere(seed=5, norm=TENSOR)))
    gram = Gram(**measure_frame(frame, silent))
    perturb_checkpoint(frame, gram, (0.5, -0.25), tmp_path, silent)
    distance = (flat(weights(tmp_path)) - flat(weights(pico))).norm()
    x, y = 0.5 * gram.lengths[0], -0.25 * gram.lengths[1]
    assert float(distance) == pytest.approx((x**2 + y**2) ** 0.5, rel=1e-5)


def test_directions_that_span_no_plane_are_refused(
    pico: Path, pico_aligned: Path, silent: Any
) -> None:
    line = (pico, pico_aligned)
    for directions in (((pico, pico),), (line, line), (line, (pico_aligned, pico))):
        with pytest.raises(UsageError, match="no plane"):
            measure_frame(Frame(pico, directions), silent)


def test_what_is_no_weight_is_not_moved(tmp_path: Path, silent: Any) -> None:
    for folder, shift in (("model", 0.0), ("end", 1.0)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "config.json").write_text('{"architectures": ["Any"]}')
        tensors = {"w": torch.full((3, 2), shift), "steps": torch.tensor([[2**31 - 1, 7]])}
        save_file(tensors, tmp_path / folder / "model.safetensors")
    (tmp_path / "out").mkdir()
    ends = (tmp_path / "model", tmp_path / "end")
    frame = Frame(ends[0], (ends, Anywhere(seed=0, norm=TENSOR)))
    with pytest.raises(UsageError, match="no plane"):  # a zero weight has no random direction
        measure_frame(frame, silent)
    line = Frame(ends[0], (ends,))
    gram = Gram(**measure_frame(line, silent))
    perturb_checkpoint(line, gram, (0.5,), tmp_path / "out", silent)
    made = weights(tmp_path / "out")
    assert torch.equal(made["w"], torch.full((3, 2), 0.5))
    assert made["steps"].tolist() == [[2**31 - 1, 7]]
