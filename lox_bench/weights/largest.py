"""The k-th largest magnitude among numbers that come in pieces: exact, in two passes.

Magnitudes of float32 are ordered as their bit patterns are. The first pass counts the upper bits,
the second the lower ones within the bin where the k-th lies; nothing is sorted or kept.
"""

import torch
from torch import Tensor

_LOW_BITS = 15  # of 31: a float32 without its sign
_LOW = 1 << _LOW_BITS
_HIGH = 1 << (31 - _LOW_BITS)


class KthLargest:
    """See the module; every piece is shown to ``first``, then every one to ``second``."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        self._upper = torch.zeros(_HIGH, dtype=torch.int64)
        self._lower = torch.zeros(_LOW, dtype=torch.int64)
        self._bin = self._rank = self._total = 0

    def first(self, piece: Tensor) -> None:
        """Count float32 numbers of any shape, finite."""
        self._total += piece.numel()
        self._upper += torch.bincount(_bits(piece) >> _LOW_BITS, minlength=_HIGH)

    def settle(self, density: float) -> None:
        """Between the passes: look for the smallest of the largest ``density`` of all numbers.

        How many those are is rounded down, and at least 1.
        """
        if self._total:
            self._bin, self._rank = _where(self._upper, max(1, int(density * self._total)))

    def second(self, piece: Tensor) -> None:
        """Count the same numbers again."""
        bits = _bits(piece)
        inside = bits[(bits >> _LOW_BITS) == self._bin]
        self._lower += torch.bincount(inside & (_LOW - 1), minlength=_LOW)

    @property
    def value(self) -> float:
        """The k-th largest magnitude; 0 if no number was shown."""
        if not self._total:
            return 0.0
        low, _ = _where(self._lower, self._rank)
        bits = torch.tensor([(self._bin << _LOW_BITS) | low], dtype=torch.int32)
        return float(bits.view(torch.float32))


def _bits(piece: Tensor) -> Tensor:
    return piece.reshape(-1).abs().view(torch.int32)


def _where(counts: Tensor, k: int) -> tuple[int, int]:
    """The bin that holds the k-th largest, and which of that bin's largest it is."""
    above = counts.flip(0).cumsum(0)
    position = int(torch.searchsorted(above, k))
    before = int(above[position - 1]) if position else 0
    return len(counts) - 1 - position, k - before
