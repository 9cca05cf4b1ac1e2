"""Repairs after the attack: exact against dense float64 formulas, else the very same bits."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.pico import save_pico
from support.repairs import WEIGHTS, Edit, applied, derived, held, noise
from torch import Tensor

from lox_bench.errors import NonFiniteError, ShapeError, UsageError
from lox_bench.methods.expo import Expo
from lox_bench.methods.lox import Lox
from lox_bench.methods.method import Folders, Weights
from lox_bench.methods.safe_lora import Projection, SafeLora, column_basis
from lox_bench.methods.wise_ft import WiseFt
from lox_bench.weights.lox import extrapolate


def dense(form: str, v: Tensor, d: Tensor) -> tuple[Tensor, float]:
    """C D and its cosine with D, by the textbook."""
    v, d = v.double(), d.double()
    if form == "paper":
        projector = v @ torch.linalg.pinv(v.T @ v, rtol=1e-10, hermitian=True) @ v.T
    else:
        projector = v @ v.T / v.norm()
    product = projector @ d
    return product, float((product * d).sum() / (product.norm() * d.norm()))


@pytest.mark.parametrize("form", ["paper", "reference"])
@pytest.mark.parametrize("tau", [0.0, 0.6, 0.8, 1.0])
def test_safe_lora_is_the_formula_matrix_by_matrix(
    form: Any, tau: float, folders: Folders, silent: Any
) -> None:
    made, facts = applied(SafeLora(tau=tau, form=form), folders, silent)
    base, aligned, start, tuned = held(folders)
    projected = 0
    for name, tensor in made.items():
        if tensor.ndim != 2 or "embed" in name:
            assert torch.equal(tensor, tuned[name])
            assert name not in facts["tensors"]
            continue
        product, cosine = dense(form, aligned[name] - base[name], tuned[name] - start[name])
        assert facts["tensors"][name]["similarity"] == pytest.approx(cosine, abs=1e-5)
        if abs(cosine - tau) > 1e-6 and cosine > tau:
            assert torch.equal(tensor, tuned[name])
        else:
            projected += 1
            wanted = start[name].double() + product
            torch.testing.assert_close(tensor.double(), wanted, rtol=1e-5, atol=1e-5)
    assert facts["projected"] == projected


def test_a_full_rank_alignment_makes_the_exact_projector_keep_everything(
    folders: Folders, silent: Any
) -> None:
    made, facts = applied(SafeLora(tau=1.0), folders, silent)
    *_, tuned = held(folders)
    wide = [name for name, tensor in made.items() if name in facts["tensors"]
            and tensor.shape[0] <= tensor.shape[1]]  # fmt: skip
    assert wide
    assert facts["identity"] == len(wide)
    assert all(torch.equal(made[name], tuned[name]) for name in wide)
    assert any(not torch.equal(made[name], tuned[name]) for name in facts["tensors"])


@pytest.mark.parametrize("form", ["paper", "reference"])
def test_layers_projects_so_many_of_the_least_similar(
    form: Any, folders: Folders, silent: Any
) -> None:
    _, every = applied(SafeLora(form=form), folders, silent)
    made, facts = applied(SafeLora(layers=3, form=form), folders, silent)
    similar = {name: row["similarity"] for name, row in every["tensors"].items()}
    chosen = {name for name, row in facts["tensors"].items() if row["projected"]}
    assert len(chosen) == 3
    assert max(similar[name] for name in chosen) <= min(
        similar[name] for name in similar if name not in chosen
    )
    *_, tuned = held(folders)
    assert {name for name in made if not torch.equal(made[name], tuned[name])} == chosen


def test_no_update_stays_and_no_alignment_takes_the_update_back(
    pico: Path, tmp_path: Path, silent: Any
) -> None:
    tuned = derived(tmp_path / "tuned", pico, noise(1, 0.1))
    for form in ("paper", "reference"):
        method = SafeLora(form=form)  # type: ignore[arg-type]
        made, facts = applied(method, Folders(pico, tuned, tuned, tuned), silent)
        attacked = load_file(tuned / WEIGHTS)
        assert all(torch.equal(tensor, attacked[name]) for name, tensor in made.items())
        assert facts["projected"] == 0
        made, _ = applied(method, Folders(pico, pico, pico, tuned), silent)
        start = load_file(pico / WEIGHTS)
        for name, tensor in made.items():
            undone = tensor.ndim == 2 and "embed" not in name
            assert torch.equal(tensor, start[name] if undone else attacked[name])


@pytest.mark.parametrize("shape", [(9, 6), (6, 9), (7, 7)])
@pytest.mark.parametrize("rank", [1, 3, None])
def test_the_basis_spans_the_columns_and_nothing_else(
    shape: tuple[int, int], rank: int | None, rng: torch.Generator
) -> None:
    left, right = torch.randn(shape[0], 3, generator=rng), torch.randn(3, shape[1], generator=rng)
    v = (left @ right).double()
    basis = column_basis(v, rank)
    assert basis is not None
    assert basis.shape == (shape[0], rank or 3)
    torch.testing.assert_close(basis.T @ basis, torch.eye(rank or 3).double())
    top = torch.linalg.svd(v).U[:, : rank or 3]
    torch.testing.assert_close(basis @ basis.T, top @ top.T, rtol=1e-5, atol=1e-6)


def test_projecting_twice_is_projecting_once_and_the_reference_scales(
    rng: torch.Generator,
) -> None:
    v, d = (torch.randn(9, 6, generator=rng).double() for _ in range(2))
    once = Projection(exact=True).of(v, d).update
    assert once is not None
    torch.testing.assert_close(Projection(exact=True).of(v, once).update, once)
    torch.testing.assert_close(Projection(exact=True).of(3 * v, d).update, once)
    one, three = (Projection(exact=False).of(factor * v, d).update for factor in (1, 3))
    assert one is not None
    torch.testing.assert_close(three, 3 * one)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 1.0])
def test_wise_ft_is_the_average_of_start_and_tuned(
    alpha: float, folders: Folders, silent: Any
) -> None:
    made, _ = applied(WiseFt(alpha), folders, silent)
    _, _, start, tuned = held(folders)
    for name, tensor in made.items():
        wanted = (1 - alpha) * start[name].double() + alpha * tuned[name].double()
        torch.testing.assert_close(tensor.double(), wanted, rtol=1e-5, atol=1e-6)
        if alpha in (0.0, 1.0):
            assert torch.equal(tensor, (tuned if alpha else start)[name])


def test_wise_ft_rounds_once_and_keeps_what_is_equal(rng: torch.Generator) -> None:
    start, tuned = (torch.randn(40, 30, generator=rng).bfloat16() for _ in range(2))
    tuned[0] = start[0]
    made = WiseFt(0.3).tensor("w", Weights(start, start, start, tuned))
    exact = 0.7 * start.double() + 0.3 * tuned.double()
    assert (made != exact.float().bfloat16()).float().mean() < 0.01  # ties only
    assert (made.double() - exact).abs().max() <= exact.abs().max() * 2**-8
    assert torch.equal(made[0], start[0])
    same = Weights(start, start, tuned, tuned)
    assert WiseFt(0.3).tensor("w", same) is tuned


def test_wise_ft_refuses_what_is_not_finite() -> None:
    bad = torch.tensor([[1.0, float("nan")]])
    with pytest.raises(NonFiniteError):
        WiseFt().tensor("w", Weights(bad, bad, torch.ones(1, 2), bad))


@pytest.mark.parametrize("method", [SafeLora(tau=1.0, rank=1), WiseFt(0.5)])
def test_bfloat16_counters_and_tied_heads_keep_their_type(
    method: Any, pico: Path, tokenizer: Any, tmp_path: Path, silent: Any
) -> None:
    def edit(factor: float) -> Edit:
        return lambda name, tensor: (noise(len(name), factor)(name, tensor)).bfloat16()

    made = []
    for index, factor in enumerate((0.0, 0.1, 0.2)):
        folder = derived(tmp_path / str(index), pico, edit(factor))
        weights = load_file(folder / WEIGHTS)
        weights["model.steps"] = torch.tensor([index])
        save_file(weights, folder / WEIGHTS, {"format": "pt"})
        made.append(folder)
    result, _ = applied(method, Folders(made[0], made[1], made[1], made[2]), silent)
    assert "lm_head.weight" not in result
    assert int(result.pop("model.steps")) == 2
    assert {tensor.dtype for tensor in result.values()} == {torch.bfloat16}
    untied = save_pico(tmp_path / "untied", tokenizer, tied=False)
    result, _ = applied(method, Folders(untied, untied, untied, untied), silent)
    for name, tensor in load_file(untied / WEIGHTS).items():
        assert torch.equal(result[name], tensor)


def test_lox_is_what_hardening_makes(folders: Folders, silent: Any) -> None:
    before = Folders(folders.base, *[folders.aligned] * 3)
    made, facts = applied(Lox(k=3, alpha=0.5), before, silent)
    base, aligned, *_ = held(before)
    for name, tensor in made.items():
        wanted = aligned[name]
        if tensor.ndim > 1:
            wanted = extrapolate(base[name], aligned[name], rank=3, alpha=0.5)
        assert torch.equal(tensor, wanted)
    assert facts["residual"] < 1e-5


def test_a_folder_that_is_named_twice_is_read_once(folders: Folders, silent: Any) -> None:
    class Looks:
        place = Expo.place

        def tensor(self, name: str, w: Weights) -> Tensor:
            assert w.aligned is w.start is w.tuned
            assert w.base is not w.aligned
            return w.tuned

    _, facts = applied(Looks(), Folders(folders.base, *[folders.aligned] * 3), silent)
    assert facts["unchanged"] == facts["tensors"] > 0


def test_a_method_that_changes_the_shape_is_named_with_the_tensor(
    folders: Folders, silent: Any
) -> None:
    class Halves:
        place = Expo.place

        def tensor(self, name: str, w: Weights) -> Tensor:
            return w.tuned.half()

    with pytest.raises(ShapeError, match=r"'model\..*Halves made torch.float16"):
        applied(Halves(), folders, silent)


def test_arguments_that_exclude_one_another_are_refused() -> None:
    with pytest.raises(UsageError, match="not both"):
        SafeLora(tau=0.3, layers=2)
    with pytest.raises(UsageError, match="form=paper"):
        SafeLora(form="reference", rank=2)
