"""What was hardened, as plain data for manifests and grouped for the reader's eye."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

from lox_bench.weights.transform import HardenedTensor

_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Group:
    """Tensors of one kind: the same name but for numbers, the same shape."""

    kind: str
    shape: tuple[int, ...]
    tensors: int
    ranks: tuple[int, int]  # smallest and largest
    residual: float  # worst
    energy: float  # mean
    unchanged: float  # mean


def facts(hardened: Sequence[HardenedTensor]) -> dict[str, Any]:
    """For a manifest: the certificate of every tensor, and what holds for all of them."""
    return {
        "residual": max((held.certificate.residual for held in hardened), default=0.0),
        "unchanged": unchanged(hardened),
        "tensors": {held.name: _plain(held) for held in hardened},
    }


def unchanged(hardened: Sequence[HardenedTensor]) -> float:
    """Share of all hardened entries that rounding left as they are in the aligned model."""
    sizes = [prod(held.shape) for held in hardened]
    same = sum(
        size * held.certificate.unchanged for size, held in zip(sizes, hardened, strict=True)
    )
    return same / max(sum(sizes), 1)


def grouped(hardened: Sequence[HardenedTensor]) -> list[Group]:
    """One line for all layers of a kind, in the order of first appearance."""
    kinds: dict[tuple[str, tuple[int, ...]], list[HardenedTensor]] = {}
    for held in hardened:
        kind = re.sub(r"(?<=\.)\d+(?=\.)", "*", held.name)
        kinds.setdefault((kind, held.shape), []).append(held)
    return [_group(kind, shape, held) for (kind, shape), held in kinds.items()]


def single(held: HardenedTensor) -> Group:
    """A line of its own for one tensor."""
    return _group(held.name, held.shape, [held])


def _group(kind: str, shape: tuple[int, ...], held: Sequence[HardenedTensor]) -> Group:
    certificates = [item.certificate for item in held]
    ranks = [item.k for item in certificates]
    return Group(
        kind=kind,
        shape=shape,
        tensors=len(held),
        ranks=(min(ranks), max(ranks)),
        residual=max(item.residual for item in certificates),
        energy=sum(item.energy for item in certificates) / len(held),
        unchanged=sum(item.unchanged for item in certificates) / len(held),
    )


def _plain(held: HardenedTensor) -> dict[str, Any]:
    plain = {key: _short(value) for key, value in asdict(held.certificate).items()}
    return {"shape": list(held.shape), **plain}


def _short(value: object) -> object:
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
