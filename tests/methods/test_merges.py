"""Merges after the attack: each exact against its formula in dense float64."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.repairs import WEIGHTS, applied, derived, held, noise
from torch import Tensor

from lox_bench.errors import LoxBenchError, NonFiniteError, UsageError
from lox_bench.methods.lox import Lox
from lox_bench.methods.method import Folders, Weights
from lox_bench.methods.relox import Relox
from lox_bench.methods.resta import Resta
from lox_bench.methods.safemerge import SafeMerge
from lox_bench.methods.ties import Ties, elected_mean
from lox_bench.methods.wise_ft import WiseFt
from lox_bench.weights import pieces
from lox_bench.weights.largest import KthLargest


def close(made: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(made.double(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("gamma", [0.5, -1.0, 0.0])
def test_resta_adds_the_alignment_again(gamma: float, folders: Folders, silent: Any) -> None:
    made, facts = applied(Resta(gamma), folders, silent)
    base, aligned, _, tuned = held(folders)
    for name, tensor in made.items():
        change = aligned[name].double() - base[name].double()
        close(tensor, tuned[name].double() + gamma * change)
    assert facts["unchanged"] == (facts["tensors"] if gamma == 0.0 else 0)


def test_dare_drops_so_many_entries_and_rescales_the_others(folders: Folders, silent: Any) -> None:
    made, _ = applied(Resta(gamma=0.5, dare=0.75, seed=3), folders, silent)
    base, aligned, start, tuned = (
        {name: tensor.double() for name, tensor in weights.items()} for weights in held(folders)
    )
    kept = total = 0
    for name, tensor in made.items():
        left = tensor.double() - start[name] - 0.5 * (aligned[name] - base[name])
        stays = left.abs() > 1e-5
        whole = torch.where(stays, 4 * (tuned[name] - start[name]), 0.0)
        torch.testing.assert_close(left, whole, rtol=1e-5, atol=4e-5)
        kept, total = kept + int(stays.sum()), total + stays.numel()
    assert kept / total == pytest.approx(0.25, abs=0.01)


def test_what_dare_drops_hangs_on_seed_and_name_and_not_on_order_or_size_of_pieces(
    rng: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, tuned = torch.randn(30, 20, generator=rng), torch.randn(30, 20, generator=rng)
    weights = Weights(base, base, base, tuned)
    once, other = Resta(dare=0.5, seed=1).tensor("a", weights), Resta(dare=0.5, seed=1)
    assert not torch.equal(other.tensor("b", weights), once)
    assert torch.equal(other.tensor("a", weights), once)
    assert not torch.equal(Resta(dare=0.5, seed=2).tensor("a", weights), once)
    monkeypatch.setattr(pieces, "_ENTRIES", 7)
    assert torch.equal(other.tensor("a", weights), once)
    assert torch.equal(Resta(dare=1.0).tensor("a", weights), base)


@pytest.mark.parametrize("form", ["reference", "paper"])
@pytest.mark.parametrize("tau", [0.0, 0.35, 0.8, 1.0])
def test_safemerge_averages_the_matrices_whose_update_left_the_alignment(
    form: Any, tau: float, folders: Folders, silent: Any
) -> None:
    made, facts = applied(SafeMerge(tau, 0.2, form), folders, silent)
    base, aligned, start, tuned = held(folders)
    merged = 0
    for name, tensor in made.items():
        if tensor.ndim != 2 or "embed" in name:
            assert torch.equal(tensor, tuned[name])
            continue
        v, d = (aligned[name] - base[name]).double(), (tuned[name] - start[name]).double()
        square = v @ v.T
        c = v @ torch.linalg.pinv(v) if form == "paper" else square / v.norm()
        cosine = float(((c @ d) * d).sum() / ((c @ d).norm() * d.norm()))
        assert facts["tensors"][name]["similarity"] == pytest.approx(cosine, abs=1e-5)
        if facts["tensors"][name]["merged"]:
            merged += 1
            assert cosine < tau
            close(tensor, 0.8 * tuned[name].double() + 0.2 * start[name].double())
        else:
            assert cosine > tau - 1e-6
            assert torch.equal(tensor, tuned[name])
    assert facts["merged"] == merged
    assert merged or tau < 0.8 or form == "paper"


def trimmed(vectors: list[Tensor], density: float) -> list[Tensor]:
    """Each vector's largest magnitudes, sorted in full."""
    kept = []
    for vector in vectors:
        ranked = vector.abs().flatten().sort(descending=True).values
        limit = ranked[max(1, int(density * len(ranked))) - 1]
        kept.append(torch.where(vector.abs() >= limit, vector, 0.0))
    return kept


def elected(vectors: list[Tensor]) -> Tensor:
    """Entry by entry, as the paper says it."""
    merged = []
    for entries in zip(*(vector.flatten().tolist() for vector in vectors), strict=True):
        sign = (sum(entries) > 0) - (sum(entries) < 0)
        agreeing = [entry for entry in entries if entry * sign > 0]
        merged.append(sum(agreeing) / len(agreeing) if agreeing else 0.0)
    return torch.tensor(merged, dtype=torch.float64).view_as(vectors[0])


@pytest.mark.parametrize(("density", "lambda_"), [(0.2, 1.0), (1.0, 0.5), (1e-9, 1.0)])
@pytest.mark.parametrize("trim", ["model", "tensor"])
def test_ties_is_trim_elect_and_disjoint_mean(
    density: float, lambda_: float, trim: Any, folders: Folders, silent: Any
) -> None:
    made, facts = applied(Ties(density, lambda_, trim), folders, silent)
    base, _, start, tuned = held(folders)
    names = list(made)
    steps = [
        [(b[name] - a[name]).double() for name in names] for a, b in pairwise((base, start, tuned))
    ]
    flat = [torch.cat([part.flatten() for part in step]) for step in steps]
    if trim == "model":
        sizes = [part.numel() for part in steps[0]]
        steps = [list(vector.split(sizes)) for vector in trimmed(flat, density)]
    for index, name in enumerate(names):
        vectors = [step[index].view_as(base[name]) for step in steps]
        vectors = vectors if trim == "model" else trimmed(vectors, density)
        close(made[name], base[name].double() + lambda_ * elected(vectors))
    if trim == "model":
        count = max(1, int(density * len(flat[0])))
        assert facts["attack_kept"] == pytest.approx(count / len(flat[0]))


def test_ties_of_one_vector_untrimmed_is_the_attacked_model(folders: Folders, silent: Any) -> None:
    made, facts = applied(Ties(density=1.0), replace(folders, start=folders.base), silent)
    *_, tuned = held(folders)
    for name, tensor in made.items():
        close(tensor, tuned[name].double())
    assert facts["alignment_kept"] == 0.0


def test_ties_elects_by_the_sum_and_averages_what_agrees() -> None:
    one = torch.tensor([3.0, 3.0, 1.0, 0.0, 2.0, 0.0])
    other = torch.tensor([-1.0, 1.0, -4.0, 5.0, -2.0, 0.0])
    assert elected_mean([one, other]).tolist() == [3.0, 2.0, -4.0, 5.0, 0.0, 0.0]


@pytest.mark.parametrize("density", [1e-9, 0.1, 0.5, 0.999, 1.0])
def test_the_kth_largest_is_that_of_a_full_sort(density: float, rng: torch.Generator) -> None:
    values = torch.randn(5000, generator=rng) * 10.0 ** torch.randint(
        -30, 30, (5000,), generator=rng
    )
    values[:100] = 0.0
    values[100:200] = 1e-40  # not normalised
    values[200:300] = values[300]
    search = KthLargest()
    for piece in values.split(999):
        search.first(piece)
    search.settle(density)
    for piece in values.split(999):
        search.second(piece)
    ranked = values.abs().sort(descending=True).values
    assert search.value == float(ranked[max(1, int(density * 5000)) - 1])


@pytest.mark.parametrize("k", [1, 3, None])
def test_relox_adds_lox_s_own_vector_after_the_attack(
    k: int | None, folders: Folders, silent: Any
) -> None:
    made, facts = applied(Relox(k, 0.7), folders, silent)
    base, aligned, _, tuned = held(folders)
    for name, tensor in made.items():
        if tensor.ndim < 2:
            assert torch.equal(tensor, tuned[name])
            continue
        left, sigma, right = torch.linalg.svd(
            aligned[name].double() - base[name].double(), full_matrices=False
        )
        step = (left[:, :k] * sigma[:k]) @ right[:k]
        close(tensor, tuned[name].double() + 0.7 * step)
    assert facts["residual"] < 1e-5
    assert facts["tensors"].keys() == {name for name, held in made.items() if held.ndim > 1}


def test_relox_on_no_attack_is_lox_bit_for_bit(folders: Folders, silent: Any) -> None:
    same = Folders(folders.base, *[folders.aligned] * 3)
    lox, _ = applied(Lox(3, 0.5), same, silent)
    relox, _ = applied(Relox(3, 0.5), same, silent)
    assert all(torch.equal(tensor, relox[name]) for name, tensor in lox.items())


def test_relox_refuses_more_directions_than_there_are(folders: Folders, silent: Any) -> None:
    with pytest.raises(UsageError, match="no matrix has more than"):
        applied(Relox(k=10**6), folders, silent)


METHODS = [Resta(), Resta(dare=0.5), SafeMerge(tau=1.0), Ties(), Ties(trim="tensor"), Relox(k=2)]


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_bfloat16_is_rounded_once(method: Any, pico: Path, tmp_path: Path, silent: Any) -> None:
    def rounded(name: str, source: Path, seed: int) -> Path:
        edit = noise(seed, 0.05)
        return derived(
            tmp_path / name, source, lambda at, tensor: edit(at, tensor).bfloat16().float()
        )

    places = [rounded("base", pico, 1)]
    for name, seed in (("aligned", 2), ("start", 3), ("tuned", 4)):
        places.append(rounded(name, places[-1], seed))
    exact, _ = applied(method, Folders(*places), silent)
    for place in places:
        weights = load_file(place / WEIGHTS)
        narrow = {name: tensor.bfloat16() for name, tensor in weights.items()}
        save_file(narrow, place / WEIGHTS, {"format": "pt"})
    made, _ = applied(method, Folders(*places), silent)
    assert all(torch.equal(tensor, exact[name].bfloat16()) for name, tensor in made.items())


@pytest.mark.parametrize("method", [*METHODS, WiseFt()], ids=str)
def test_a_weight_that_is_not_finite_is_named(
    method: Any, folders: Folders, tmp_path: Path, silent: Any
) -> None:
    def broken(name: str, tensor: Tensor) -> Tensor:
        return (
            tensor.clone().fill_(float("nan")) if name.endswith("0.mlp.up_proj.weight") else tensor
        )

    bad = derived(tmp_path / "bad", folders.tuned, broken)
    chain = Folders(folders.base, folders.aligned, folders.start, bad)
    with pytest.raises(LoxBenchError, match=r"0\.mlp\.up_proj\.weight.*NaN") as caught:
        applied(method, chain, silent)
    assert isinstance(caught.value, NonFiniteError)
