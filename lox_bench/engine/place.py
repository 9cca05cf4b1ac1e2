"""Where a store is, in a form that other processes can be told."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lox_bench.engine.store import Store


@dataclass(frozen=True, slots=True)
class Place:
    """A folder; with a URL, the folder is a machine's own copy of what lies there."""

    root: Path
    url: str = ""

    def open(self, notice: Callable[[str], None] = lambda _: None) -> "Store":
        """The store.

        Raises:
            StoreError: the folder cannot be used.
            UsageError, MissingExtraError: no library opens such a URL.
        """
        from lox_bench.engine.remote import RemoteStore
        from lox_bench.engine.store import Store

        return RemoteStore(self.root, self.url, notice) if self.url else Store(self.root, notice)
