"""Overlap the disk with the cores: one thread reads ahead, another writes behind.

Both hold at most one item beyond the one in work, so memory stays bounded by the largest tensors.
An error in a thread is raised where its result is wanted.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self, TypeVar

K = TypeVar("K")
V = TypeVar("V")


def read_ahead(load: Callable[[K], V], keys: Iterable[K]) -> Generator[tuple[K, V], None, None]:
    """Yield ``(key, load(key))`` in order; the next one is loaded while this one is used."""
    with ThreadPoolExecutor(1, "read-ahead") as pool:
        pending: deque[tuple[K, Future[V]]] = deque()
        for key in keys:
            pending.append((key, pool.submit(load, key)))
            if len(pending) > 1:
                ready, value = pending.popleft()
                yield ready, value.result()
        while pending:
            ready, value = pending.popleft()
            yield ready, value.result()


class WriteBehind:
    """Runs writes in order in a thread of its own; a context that ends when all are done."""

    def __init__(self) -> None:
        """Start idle."""
        self._pool = ThreadPoolExecutor(1, "write-behind")
        self._last: Future[Any] | None = None

    def __enter__(self) -> Self:
        """The writer itself."""
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        """Wait for the last write, and raise its error unless there is one already."""
        self._pool.shutdown(wait=True, cancel_futures=failed is not None)
        if failed is None and self._last is not None:
            self._last.result()

    def put(self, write: Callable[[], None]) -> None:
        """Do ``write`` after the one before, which must be done before this returns."""
        if self._last is not None:
            self._last.result()
        self._last = self._pool.submit(write)
