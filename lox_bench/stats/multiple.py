"""Correct a family of tests for their number."""

from collections.abc import Sequence

import numpy as np


def holm(ps: Sequence[float]) -> list[float]:
    """Step-down adjusted p values (Holm, Scand. J. Stat. 6:65, 1979), in the order given.

    Tests hold it to statsmodels' ``multipletests``, which is not called here because it collects
    garbage at every call: half a second each in a process that has torch loaded.
    """
    values = np.asarray(ps, dtype=float)
    order = np.argsort(values)
    steps = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(p) for p in adjusted]
