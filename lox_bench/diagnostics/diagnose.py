"""Measure every weight matrix of a base, an aligned and perhaps a fine-tuned checkpoint.

Streams: one tensor of each checkpoint is in memory at a time, whatever the model's size.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from lox_bench.diagnostics.naming import place_of
from lox_bench.diagnostics.spectrum import (
    AFFORDABLE,
    FULL,
    Spectrum,
    energy,
    entropy_rank,
    participation_ratio,
    rank_for,
    spectrum,
    stable_rank,
    work_of,
)
from lox_bench.diagnostics.subspace import concentration, overlap, unchanged_share
from lox_bench.errors import LoxBenchError
from lox_bench.hardening.checkpoint import tensor_reader
from lox_bench.hardening.combine import open_matching
from lox_bench.hardening.controls import difference
from lox_bench.hardening.lox import MATRIX_DIMS
from lox_bench.types import Progress

ALIGN, FT = "align", "ft"
_MOST_ENERGY = 0.9


@dataclass(frozen=True, slots=True)
class Settings:
    """``spectrum``: ``full``, ``top``, or ``auto`` (full where it takes seconds)."""

    k: int
    alpha: float
    spectrum: str = "auto"
    top: int = 64

    def whole(self, matrix: Tensor) -> bool:
        """Whether to take all singular values of a matrix."""
        if self.spectrum == "auto":
            return work_of(*matrix.shape) <= AFFORDABLE
        return self.spectrum == FULL


@dataclass(frozen=True, slots=True)
class MatrixReport:
    """What was measured on one matrix; ``None``: it needs a fine-tuned model or a whole spectrum.

    ``delta`` is aligned - base, ``ft`` is fine-tuned - aligned; norms are Frobenius's. Overlaps
    compare the top-k subspaces of the two on the output side (left) and the input side (right).
    """

    tensor: str
    layer: int | None
    projection: str
    rows: int
    columns: int
    spectrum: str
    norm_aligned: float
    norm_delta: float
    relative_delta: float
    sigma_1: float
    energy_k: float
    stable_rank: float
    participation_ratio: float | None
    entropy_rank: float | None
    rank_90: int | None
    relative_step: float
    bf16_unchanged: float
    r_align: float
    r_ft: float | None = None
    r_ratio: float | None = None
    norm_ft: float | None = None
    overlap_left: float | None = None
    overlap_right: float | None = None
    overlap_chance: float | None = None
    angle_smallest: float | None = None
    angle_largest: float | None = None

    @property
    def is_linear(self) -> bool:
        """Whether it is a linear layer of a block, as the paper's means take them."""
        return self.layer is not None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One matrix's report and the singular values it rests on."""

    report: MatrixReport
    spectra: dict[str, list[float]]  # "align", "ft" -> descending


def diagnose(
    folders: Sequence[Path], settings: Settings, progress: Progress
) -> Iterator[Diagnosis]:
    """Measure the matrices of base, aligned and (if given) fine-tuned folders, in name order.

    Raises:
        MismatchError: the checkpoints do not hold the same tensors.
        LoxBenchError: a tensor cannot be measured (shapes differ, NaN); the message names it.
    """
    opened = open_matching(folders)
    names = sorted(opened[-1].names, key=_reading_order)
    with ExitStack() as stack:
        readers = [tensor_reader(held, stack) for held in opened]
        for done, name in enumerate(names, start=1):
            tensors = [read(name) for read in readers]
            if tensors[0].ndim >= MATRIX_DIMS:
                yield from _named(name, tensors, settings)
            progress.step(done, len(names), "tensors")


def measure_matrix(name: str, tensors: Sequence[Tensor], settings: Settings) -> Diagnosis:
    """Measure one matrix, given as base, aligned and perhaps fine-tuned ``(out, in)``."""
    base, aligned = tensors[:2]
    delta = difference(base, aligned)
    found = spectrum(delta, settings.k, whole=settings.whole(delta), top=settings.top)
    step = (found.left @ (found.left.mT @ delta.double())).float()
    norm_aligned = float(aligned.double().norm())
    place = place_of(name)
    basic = {
        "tensor": name,
        "layer": place.layer,
        "projection": place.projection,
        "rows": delta.shape[0],
        "columns": delta.shape[1],
        "spectrum": found.method,
        "norm_aligned": norm_aligned,
        "norm_delta": found.norm,
        "relative_delta": found.norm / norm_aligned if norm_aligned else math.nan,
        "sigma_1": float(found.sigma[0]),
        "energy_k": energy(found, settings.k),
        "stable_rank": stable_rank(found),
        "participation_ratio": participation_ratio(found),
        "entropy_rank": entropy_rank(found),
        "rank_90": rank_for(found, _MOST_ENERGY),
        "relative_step": settings.alpha * float(step.norm()) / norm_aligned
        if norm_aligned
        else math.nan,
        "bf16_unchanged": unchanged_share(aligned, step, alpha=settings.alpha),
        "r_align": concentration(found.left, delta),
    }
    spectra = {ALIGN: found.sigma.tolist()}
    if len(tensors) > MATRIX_DIMS:
        tuned, sigma = _tuned(found, base, aligned, tensors[2], settings)
        basic |= tuned
        spectra[FT] = sigma
    return Diagnosis(MatrixReport(**basic), spectra)  # type: ignore[arg-type]


def _tuned(
    found: Spectrum, base: Tensor, aligned: Tensor, finetuned: Tensor, settings: Settings
) -> tuple[dict[str, float], list[float]]:
    """What fine-tuning did to the alignment's directions."""
    change = difference(aligned, finetuned)
    own = spectrum(change, settings.k, whole=settings.whole(change), top=settings.top)
    r_ft = concentration(found.left, difference(base, finetuned))
    r_align = concentration(found.left, difference(base, aligned))
    measured = {
        "r_ft": r_ft,
        "r_ratio": r_ft / r_align if r_align else math.nan,
        "norm_ft": own.norm,
    }
    if own.norm and found.norm:  # a change of nothing has no directions
        left, right = overlap(found.left, own.left), overlap(found.right, own.right)
        measured |= {
            "overlap_left": left.share,
            "overlap_right": right.share,
            "overlap_chance": left.chance,
            "angle_smallest": left.smallest_angle,
            "angle_largest": left.largest_angle,
        }
    return measured, own.sigma.tolist()


def _named(name: str, tensors: Sequence[Tensor], settings: Settings) -> Iterator[Diagnosis]:
    """One diagnosis per matrix; stacked experts are taken apart."""
    try:
        if tensors[0].ndim == MATRIX_DIMS:
            yield measure_matrix(name, tensors, settings)
            return
        flat = [tensor.reshape(-1, *tensor.shape[-2:]) for tensor in tensors]
        for index in range(flat[0].shape[0]):
            parts = [tensor[index] for tensor in flat]
            yield measure_matrix(f"{name}[{index}]", parts, settings)
    except LoxBenchError as error:
        raise type(error)(f"tensor {name!r}: {error}") from error


def _reading_order(name: str) -> tuple[int, str]:
    layer = place_of(name).layer
    return (-1 if layer is None else layer, name)
