"""Entry by entry rules on tensors of any size: some entries at a time, so that memory stays small.

A rule that needs float32 copies of three weights would hold several times the largest tensor; on
pieces it holds megabytes.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import torch
from torch import Tensor

from lox_bench.weights.lox import cast

_ENTRIES: Final = 4 << 20


def pieces(tensors: Sequence[Tensor]) -> Iterator[tuple[Tensor, ...]]:
    """The same entries of each tensor, flat, in order; no copies where tensors are contiguous."""
    yield from zip(*(torch.split(held.reshape(-1), _ENTRIES) for held in tensors), strict=True)


def by_pieces(tensors: Sequence[Tensor], rule: Callable[..., Tensor]) -> Tensor:
    """``rule(*entries)`` put together, in shape and type of the last tensor.

    Args:
        tensors: all of one shape.
        rule: takes a flat piece of each, in float32 (float64 if they are), and gives one as long.

    Raises:
        NonFiniteError: a result holds NaN or infinity, or leaves the range of the type.
    """
    wide = torch.promote_types(tensors[-1].dtype, torch.float32)
    made = torch.empty_like(tensors[-1], memory_format=torch.contiguous_format)
    for *parts, out in pieces([*tensors, made]):
        out.copy_(cast(rule(*(part.to(wide) for part in parts)), out.dtype))
    return made
