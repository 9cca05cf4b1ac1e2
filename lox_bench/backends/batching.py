"""Batches of like lengths, as large as rows and tokens allow, and smaller where memory runs out."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

import torch

from lox_bench.errors import SourceError

T = TypeVar("T")

TOKENS: Final = 32_768  # of the prompts and answers of one batch: 16 GiB of keys and values at 7B
_WORDS: Final = ("out of memory", "not enough memory", "can't allocate memory", "bad_alloc")


class Budget:
    """Tokens that a batch may have; what did not fit once is remembered.

    One of equal models on equal devices: see ``budget_of``.
    """

    def __init__(self) -> None:
        """Begin with ``TOKENS``."""
        self.tokens = TOKENS
        self.halved = False

    def halve(self, rows: int, tokens: int) -> None:
        """Remember that ``rows`` of ``tokens`` each were too many.

        Raises:
            SourceError: it was one row: nothing smaller can be tried.
        """
        if rows == 1:
            raise SourceError(
                f"memory runs out on a single prompt and answer of {tokens} tokens; ask for fewer "
                "new tokens, a smaller type (--backend 'hf(dtype=bfloat16)'), or a larger device"
            )
        self.tokens, self.halved = rows * tokens // 2, True


_BUDGETS: dict[str, Budget] = {}


def budget_of(name: str) -> Budget:
    """The budget of everything that is called ``name`` in this process."""
    return _BUDGETS.setdefault(name, Budget())


def in_batches(
    lengths: Sequence[int],
    new_tokens: int,
    *,
    rows: int,
    budget: Budget,
    work: Callable[[list[int]], Sequence[T]],
) -> Iterator[list[tuple[int, T]]]:
    """Run ``work`` on all positions, the longest first, each batch of like lengths.

    Args:
        lengths: of the prompts, in tokens.
        new_tokens: an answer takes at most.
        rows: in a batch at most.
        budget: of tokens in a batch; a batch that does not fit into memory halves it.
        work: what is to be done with a batch of positions; it gives one thing each.

    Yields:
        The positions of a batch with what they came to.

    Raises:
        SourceError: memory runs out on a single prompt.
    """
    todo = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    while todo:
        each = lengths[todo[0]] + new_tokens
        batch = todo[: max(1, min(rows, budget.tokens // each))]
        try:
            done = work(batch)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            done = None
        if done is None:  # outside of the except, whose traceback holds the tensors
            budget.halve(len(batch), each)
            _free()
            continue
        yield list(zip(batch, done, strict=True))
        todo = todo[len(batch) :]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device, or this machine, had no memory left."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in said for words in _WORDS)


def _free() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
