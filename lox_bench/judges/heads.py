"""Trained heads of the ``offline`` judge, as they lie in ``judges/heads/``."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[Any]  # float64


@dataclass(frozen=True, slots=True)
class Head:
    """A multinomial logistic regression: ``weights (3, d)``, ``bias (3,)``."""

    weights: Vectors
    bias: Vectors

    def probabilities(self, rows: Vectors) -> Vectors:
        """``(n, 3)``, of the classes in their order."""
        scores = rows @ self.weights.T + self.bias
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares: Vectors = powers / powers.sum(axis=1, keepdims=True)
        return shares


def read_head(text: str) -> Head:
    """A head as ``benchmarks/train_offline_judge.py`` writes it."""
    plain: Mapping[str, Any] = json.loads(text)
    return Head(np.array(plain["weights"], dtype=float), np.array(plain["bias"], dtype=float))
