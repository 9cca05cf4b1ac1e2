"""Drawing tokens so that an answer depends on its own seed, and not on who else is in the batch."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import LogitsProcessor


class GumbelNoise(LogitsProcessor):  # type: ignore[misc]
    """Turns greedy decoding into sampling: the largest of logits / T + Gumbel noise.

    That is a draw from the softmax of logits / T (Gumbel-max). Each row has a generator of its own.
    """

    def __init__(self, seeds: Sequence[int], temperature: float, device: torch.device) -> None:
        """Start a generator a row.

        Args:
            seeds: one a row, in the order of the batch.
            temperature: above 0.
            device: where the logits are.
        """
        self._generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
        self._temperature = temperature

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with ``rows`` (positions in the batch, as it is now), in this order."""
        self._generators = [self._generators[row] for row in rows]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> Any:
        """Logits of shape (rows, vocabulary) with noise on them, in float32."""
        del input_ids
        noise = torch.empty_like(scores, dtype=torch.float32)
        for row, generator in zip(noise, self._generators, strict=True):
            row.exponential_(generator=generator)
        return scores.float() / self._temperature - noise.log()
