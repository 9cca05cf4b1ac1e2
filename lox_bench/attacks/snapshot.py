"""Weights from the midst of an attack: which steps there are, and where they are kept how long.

A snapshot is two artifacts: ``snapshot`` holds what is known of it (losses, step) and stays;
``snapshot-weights`` holds bfloat16 weights and is removed once the model has been measured. So a
disk holds the snapshots of one training at a time, and a finished run none.
"""

import math
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lox_bench.engine.store import CACHE_VARIABLE, Store
from lox_bench.errors import StoreError, UsageError
from lox_bench.provenance import environment
from lox_bench.study.variants import Attacked, Recipe, Snapshot, describe, key_of

FACTS = "snapshot"


def total_steps(recipe: Attacked, available: int) -> int:
    """Optimiser steps of an attack on ``available`` rows, as transformers' trainer counts them."""
    if recipe.max_steps is not None:
        return recipe.max_steps
    train = recipe.train
    rows = min(recipe.max_rows or available, available)
    batches = math.ceil(rows / train.micro_batch_size)
    per_epoch = math.ceil(batches / max(1, train.batch_size // train.micro_batch_size))
    return math.ceil(train.epochs * per_epoch)


def snapshots_of(recipe: Attacked, available: int, every: int) -> list[Snapshot]:
    """Snapshots at each multiple of ``every`` before the attack's end.

    Raises:
        UsageError: the attack is over before the first.
    """
    total = total_steps(recipe, available)
    if every >= total:
        raise UsageError(
            f"--eval-every {every}: attack {recipe.attack} takes only {total} steps; name fewer"
        )
    return [Snapshot(recipe, step) for step in range(every, total, every)]


def wanted_snapshots(recipes: Iterable[Recipe]) -> dict[str, list[Snapshot]]:
    """The snapshots among ``recipes``, by the key of the attack they are taken from."""
    wanted: dict[str, list[Snapshot]] = {}
    for recipe in dict.fromkeys(recipes):
        if isinstance(recipe, Snapshot):
            wanted.setdefault(key_of(recipe.attacked), []).append(recipe)
    return wanted


@dataclass(frozen=True, slots=True)
class Shelf:
    """Takes snapshots from a training and puts them into a store."""

    store: Store
    snapshots: Sequence[Snapshot]
    stop: bool = False

    @property
    def steps(self) -> list[int]:
        """After which optimiser steps weights are wanted."""
        return [snapshot.step for snapshot in self.snapshots]

    @property
    def last(self) -> int | None:
        """The step after which the training is of no more use, if only snapshots are wanted."""
        return max(self.steps) if self.stop else None

    def take(self, step: int, facts: Mapping[str, float], save: Callable[[Path], None]) -> None:
        """Store the facts, then the weights: whoever finds weights finds their facts too."""
        snapshot = next(item for item in self.snapshots if item.step == step)
        recipe, key = describe(snapshot), key_of(snapshot)
        known = {**facts, "dtype": "bfloat16", **environment()}

        def weights(out: Path) -> Mapping[str, object]:
            save(out)
            return known

        self.store.build(FACTS, key, recipe, lambda _: known)
        self.store.build(snapshot.stage, key, recipe, weights)

    def check_room(self, source: Path) -> None:
        """Refuse to start what would fill the disk.

        Raises:
            StoreError: the snapshots would not fit beside the model at ``source``.
        """
        size = sum(file.stat().st_size for file in source.glob("*.safetensors"))
        free = shutil.disk_usage(self.store.root).free
        if len(self.snapshots) * size > free:
            raise StoreError(
                f"{len(self.snapshots)} snapshots of up to {size / 1e9:.1f} GB do not fit into the "
                f"{free / 1e9:.1f} GB free below {self.store.root}: give --eval-every a larger "
                f"number, or set {CACHE_VARIABLE} to a larger disk"
            )
