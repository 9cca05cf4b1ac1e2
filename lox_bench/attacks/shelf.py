"""Takes snapshots from a training, for whoever in the graph waits for them."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from lox_bench.engine.context import Context
from lox_bench.engine.stage import Facts, Stage
from lox_bench.engine.store import CACHE_VARIABLE
from lox_bench.errors import StoreError


class Shelf:
    """Weights wanted from the midst of a training, by optimiser step.

    ``own`` is the step whose weights the running stage itself is made of, with the folder they go
    to; the training then ends at the last step that is wanted.
    """

    def __init__(
        self, wanted: Mapping[int, Stage], context: Context, own: tuple[int, Path] | None = None
    ) -> None:
        """Wait for ``wanted``, which the context stores."""
        self._wanted, self._context, self._own = wanted, context, own
        self.facts: Facts = {}

    @property
    def steps(self) -> list[int]:
        """After which optimiser steps weights are wanted."""
        return sorted({*self._wanted, *([self._own[0]] if self._own else [])})

    @property
    def last(self) -> int | None:
        """The step after which the training is of no more use, if only snapshots are wanted."""
        return self.steps[-1] if self._own else None

    def take(self, step: int, facts: Mapping[str, float], save: Callable[[Path], None]) -> None:
        """Keep the weights after ``step``."""
        told = {**facts, "dtype": "bfloat16"}

        def work(out: Path) -> Facts:
            save(out)
            return told

        if self._own is not None and step == self._own[0]:
            self.facts = work(self._own[1])
        else:
            self._context.deliver(self._wanted[step], work)

    def check_room(self, source: Path) -> None:
        """Refuse to start what would fill the disk.

        Raises:
            StoreError: the snapshots would not fit beside the model at ``source``.
        """
        size = sum(file.stat().st_size for file in source.glob("*.safetensors"))
        free = shutil.disk_usage(self._context.root).free
        if len(self.steps) * size > free:
            raise StoreError(
                f"{len(self.steps)} snapshots of up to {size / 1e9:.1f} GB do not fit into the "
                f"{free / 1e9:.1f} GB free below {self._context.root}: give --eval-every a larger "
                f"number, or set {CACHE_VARIABLE} to a larger disk"
            )
