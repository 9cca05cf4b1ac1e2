"""Ways to the top k singular triplets of a matrix, ours and others, under one signature."""

from collections.abc import Callable, Mapping
from typing import Final

import torch
from scipy.sparse.linalg import svds
from torch import Tensor

from lox_bench.weights.lowrank import truncated_svd

Method = Callable[[Tensor, int], Tensor]  # (delta, k) -> Proj_k(delta)


def full(delta: Tensor, k: int) -> Tensor:
    """What the reference implementation does: every singular value, then a cut."""
    left, sigma, right = torch.linalg.svd(delta, full_matrices=False)
    return (left[:, :k] * sigma[:k]) @ right[:k]


def ours(delta: Tensor, k: int) -> Tensor:
    """Block Golub-Kahan, stopped by its residual."""
    return truncated_svd(delta, k).step


def lowrank_default(delta: Tensor, k: int) -> Tensor:
    """torch.svd_lowrank as its defaults have it: q = k, two iterations."""
    return _product(*torch.svd_lowrank(delta, q=k), k)


def subspace(iterations: int) -> Method:
    """Randomized subspace iteration (torch.svd_lowrank) with ten columns more than k."""

    def run(delta: Tensor, k: int) -> Tensor:
        return _product(*torch.svd_lowrank(delta, q=k + 10, niter=iterations), k)

    return run


def arpack(delta: Tensor, k: int) -> Tensor:
    """Scipy's svds: implicitly restarted Lanczos on the Gram operator, a vector at a time."""
    left, sigma, right = svds(delta.numpy(), k=k, tol=1e-6, random_state=0)
    return torch.from_numpy((left * sigma) @ right)


def lobpcg(delta: Tensor, k: int) -> Tensor:
    """torch.lobpcg on the Gram matrix of the shorter side, which it wants formed."""
    wide = delta.shape[0] < delta.shape[1]
    gram = delta @ delta.mT if wide else delta.mT @ delta
    start = torch.randn(len(gram), k + 10, generator=torch.Generator().manual_seed(0))
    _, vectors = torch.lobpcg(gram, X=start.to(gram), niter=200, tol=1e-7)
    top = vectors[:, :k]
    return top @ (top.mT @ delta) if wide else (delta @ top) @ top.mT


METHODS: Final[Mapping[str, Method]] = {
    "ours (block Golub-Kahan)": ours,
    "torch.svd_lowrank, defaults": lowrank_default,
    "subspace iteration, 8": subspace(8),
    "subspace iteration, 30": subspace(30),
    "scipy svds (ARPACK)": arpack,
    "torch.lobpcg on the Gram": lobpcg,
}


def _product(left: Tensor, sigma: Tensor, right: Tensor, k: int) -> Tensor:
    return (left[:, :k] * sigma[:k]) @ right[:, :k].mT
