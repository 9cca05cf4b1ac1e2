"""Agreement corrected for chance: Cohen's kappa for two judges, Krippendorff's alpha for more.

Both come as functions of *additive* statistics with any leading axes, so that one call scores the
data and another all bootstrap resamples of it. Alpha is written out here (nominal level, a few
lines) because the package of that name is under the GPL and this project is not.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def cohen_kappa(tables: Floats) -> Floats:
    """Cohen's kappa (Cohen 1960, eq. 1): agreement beyond that of the judges' own base rates.

    Args:
        tables: ``(..., c, c)`` counts; rows are one judge's labels, columns the other's.

    Returns:
        ``(...)`` values of at most 1; NaN where it is undefined: nothing was labelled by both, or
        both gave one and the same label throughout.
    """
    total = tables.sum(axis=(-2, -1))
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = np.trace(tables, axis1=-2, axis2=-1) / total
        expected = (tables.sum(axis=-1) * tables.sum(axis=-2)).sum(axis=-1) / total**2
        return np.asarray((observed - expected) / (1.0 - expected))


def alpha_statistics(counts: Floats) -> Floats:
    """What alpha needs to know of each unit, such that units can be added up.

    Args:
        counts: ``(units, c)``: how many judges gave a unit each label; missing ones nowhere.

    Returns:
        ``(units, c + 1)``: the labels of units that at least two judges labelled (others cannot be
        paired and are zero), then the unit's disagreeing pairs over (labels - 1).
    """
    labels = counts.sum(axis=1, keepdims=True)
    pairable = np.where(labels > 1, counts, 0.0)
    pairs = labels**2 - (counts**2).sum(axis=1, keepdims=True)
    disagreement = np.where(labels > 1, pairs / np.maximum(labels - 1, 1), 0.0)
    return np.hstack([pairable, disagreement])


def krippendorff_alpha(statistics: Floats) -> Floats:
    """Krippendorff's alpha at the nominal level (Krippendorff 2011, sections B and C).

    Args:
        statistics: ``(..., c + 1)`` sums of ``alpha_statistics`` over units.

    Returns:
        ``(...)`` values of at most 1; NaN where all labels are alike or none can be paired.
    """
    labels, disagreement = statistics[..., :-1], statistics[..., -1]
    total = labels.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = (total**2 - (labels**2).sum(axis=-1)) / (total - 1)
        return np.asarray(1.0 - disagreement / expected)
