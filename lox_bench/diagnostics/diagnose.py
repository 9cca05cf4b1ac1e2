"""Measure every weight matrix of a base, an aligned and perhaps a fine-tuned checkpoint.

Streams: one tensor of each checkpoint is in memory at a time, whatever the model's size.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from torch import Tensor

from lox_bench.diagnostics.measures import ALIGN, FT, Diagnosis, MatrixReport, Settings
from lox_bench.diagnostics.naming import place_of
from lox_bench.diagnostics.spectrum import (
    Spectrum,
    energy,
    entropy_rank,
    participation_ratio,
    rank_for,
    spectrum,
    stable_rank,
)
from lox_bench.diagnostics.subspace import concentration, cosine, overlap, unchanged_share
from lox_bench.types import Progress
from lox_bench.weights.combine import open_together
from lox_bench.weights.lox import difference
from lox_bench.weights.select import MATRIX_DIMS
from lox_bench.weights.stream import read_ahead
from lox_bench.weights.transform import naming

_MOST_ENERGY = 0.9


def diagnose(
    folders: Sequence[Path], settings: Settings, progress: Progress
) -> Iterator[Diagnosis]:
    """Measure the matrices of base, aligned and (if given) fine-tuned folders, in name order.

    Raises:
        MismatchError: the checkpoints do not hold the same tensors.
        LoxBenchError: a tensor cannot be measured (shapes differ, NaN); the message names it.
    """
    with ExitStack() as stack:
        layout, load = open_together(folders, stack)
        names = sorted(layout.names, key=_reading_order)
        with closing(read_ahead(load, names)) as held:
            for done, (name, tensors) in enumerate(held, start=1):
                if tensors[-1].ndim >= MATRIX_DIMS and tensors[-1].is_floating_point():
                    yield from _named(name, tensors, settings)
                progress.step(done, len(names), "tensors")


def measure_matrix(name: str, tensors: Sequence[Tensor], settings: Settings) -> Diagnosis:
    """Measure one matrix, given as base, aligned and perhaps fine-tuned ``(out, in)``."""
    base, aligned = tensors[:2]
    delta = difference(base, aligned)
    found = spectrum(delta, settings.k, whole=settings.whole(*delta.shape), top=settings.top)
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
    own = spectrum(change, settings.k, whole=settings.whole(*change.shape), top=settings.top)
    delta = difference(base, aligned)
    r_ft = concentration(found.left, difference(base, finetuned))
    r_align = concentration(found.left, delta)
    measured = {
        "r_ft": r_ft,
        "r_ratio": r_ft / r_align if r_align else math.nan,
        "norm_ft": own.norm,
    }
    if own.norm and found.norm:  # a change of nothing has no directions
        left, right = overlap(found.left, own.left), overlap(found.right, own.right)
        measured |= {
            "cosine": cosine(delta, change),
            "overlap_left": left.share,
            "overlap_right": right.share,
            "overlap_chance": left.chance,
            "angle_smallest": left.smallest_angle,
            "angle_largest": left.largest_angle,
        }
    return measured, own.sigma.tolist()


def _named(name: str, tensors: Sequence[Tensor], settings: Settings) -> Iterator[Diagnosis]:
    """One diagnosis per matrix; stacked experts are taken apart."""
    with naming(name):
        if tensors[0].ndim == MATRIX_DIMS:
            yield measure_matrix(name, tensors, settings)
            return
        flat = [tensor.reshape(-1, *tensor.shape[-2:]) for tensor in tensors]
        for index in range(flat[0].shape[0]):
            parts = [tensor[index] for tensor in flat]
            yield measure_matrix(f"{name}[{index}]", parts, settings)


def _reading_order(name: str) -> tuple[int, str]:
    layer = place_of(name).layer
    return (-1 if layer is None else layer, name)
