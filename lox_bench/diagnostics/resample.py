"""Bootstrap over prompts for several models that answered the same ones.

Models of a sweep answer the same prompts, so their rates go up and down together; resampling
prompts (all models at once) keeps that pairing, where an interval per model would lose it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lox_bench.types import Label, Verdict

DRAWS = 4000
_SEED = 0

Matrix = NDArray[np.float64]


def hits(verdicts: Sequence[Sequence[Verdict]], counts: Label = Label.COMPLIED) -> Matrix:
    """``(models, prompts)``: 1 counted, 0 judged otherwise, NaN unjudged.

    ``verdicts`` holds one sequence a model, all over the same prompts in the same order.
    """
    values = {Label.UNJUDGED: np.nan, counts: 1.0}
    return np.array([[values.get(item.label, 0.0) for item in row] for row in verdicts])


def rates(matrix: Matrix) -> Matrix:
    """``(models,)``: share of hits among the judged; NaN where nothing was judged."""
    judged = ~np.isnan(matrix)
    return _share(np.nansum(matrix, axis=1), judged.sum(axis=1).astype(float))


def resampled_rates(matrix: Matrix, draws: int = DRAWS) -> Matrix:
    """``(draws, models)``: the rates of each bootstrap sample of prompts (fixed seed)."""
    count = matrix.shape[1]
    weights = np.random.default_rng(_SEED).multinomial(count, np.full(count, 1 / count), draws)
    judged = (~np.isnan(matrix)).astype(float)
    return _share(weights @ np.nan_to_num(matrix).T, weights @ judged.T)


def interval(samples: Matrix, confidence: float = 0.95) -> tuple[float, float]:
    """Percentile interval of bootstrap samples; NaN samples are left out."""
    held = samples[~np.isnan(samples)]
    if not held.size:
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    low, high = np.quantile(held, [tail, 1 - tail], method="inverted_cdf")
    return float(low), float(high)


def _share(part: Matrix, whole: Matrix) -> Matrix:
    result = np.full(np.broadcast(part, whole).shape, np.nan)
    np.divide(part, whole, out=result, where=whole > 0)
    return result
