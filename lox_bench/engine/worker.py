"""What a worker does, whichever process it is: take a bundle, make its stages, tell of each."""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lox_bench.engine.artifact import Artifact
from lox_bench.engine.context import Inputs
from lox_bench.engine.messages import (
    Begun,
    Failure,
    Made,
    MakeCopy,
    Message,
    Said,
    Shared,
    Step,
    with_parts,
)
from lox_bench.engine.place import Place
from lox_bench.engine.schedule import Order
from lox_bench.engine.stage import Stage
from lox_bench.engine.store import CACHE_VARIABLE
from lox_bench.engine.workshop import Environment, Workshop
from lox_bench.pyfile import load_file, loaded_files

Tell = Callable[[Message], None]


def nothing() -> None:
    """For workers that need no preparation."""


@dataclass(frozen=True, slots=True)
class Setup:
    """All that a worker has to know before it can make stages.

    ``prepare`` is called first; ``variables`` are set in its environment, ``threads`` is what it
    may compute with, ``every_s`` how often it tells of its progress at most. ``files`` are name
    and content of Python files of the user's, whose classes stand in stages.
    """

    place: Place
    environment: Environment
    prepare: Callable[[], None] = nothing
    copies: Mapping[type, MakeCopy] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    threads: int = 1
    every_s: float = 0.1
    files: tuple[tuple[str, bytes], ...] = field(default_factory=loaded_files)


class Worker:
    """A workshop with a store of its own."""

    def __init__(self, setup: Setup, tell: Tell) -> None:
        """Set this process up; ``tell`` takes messages."""
        os.environ.update(thread_variables(setup.threads))
        os.environ.update(setup.variables)
        place = setup.place
        if place.url:  # each machine has a cache of its own
            place = replace(place, root=Path(os.environ.get(CACHE_VARIABLE, place.root)))
        os.environ[CACHE_VARIABLE] = str(place.root)
        setup.prepare()
        _load(setup.files)
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(setup.threads)
        self.tell, self._every_s = tell, setup.every_s
        store = place.open(lambda line: self.tell(Said(line)))
        copies: dict[type, Shared] = {k: make(store.root) for k, make in setup.copies.items()}
        self._copies = copies
        self._shop = Workshop(store, setup.environment, with_parts(copies))

    def work(self, orders: Sequence[Order]) -> None:
        """Make the stages of a bundle; after one that fails the others are not begun."""
        try:
            for index, order in enumerate(orders):
                self.tell(Begun(index))
                made = self._made(index, order)
                self.tell(made)
                if made.failure is not None or made.gone:
                    return
        finally:
            self._shop.loaded.clear()
            self._shop.store.tidy()

    def _made(self, index: int, order: Order) -> Made:
        inputs = {needed: self._input(needed, order) for needed in order.stage.inputs}
        here = {stage: held for stage, held in inputs.items() if held is not None}
        if len(here) < len(inputs):
            return Made(index, gone=_keys(stage for stage in inputs if stage not in here))
        report = _Report(self.tell, self._every_s)
        try:
            built = self._shop.build(order.stage, Inputs(here), order.wanted, report)
        except Exception as error:  # noqa: BLE001 - it is told, and raised where the user is
            gone = _keys(needed for needed in inputs if self._input(needed, order) is None)
            return Made(index, gone=gone, failure=None if gone else Failure.of(error))
        told = {kind: copy.told() for kind, copy in self._copies.items()}
        return Made(index, built.artifact.partial, _keys(built.delivered), told=told)

    def _input(self, stage: Stage, order: Order) -> Artifact | None:
        store = self._shop.store
        return store.artifact(stage) if stage in order.unfinished else store.bring(stage)


class _Report:
    """Progress, told now and then."""

    def __init__(self, tell: Tell, every_s: float) -> None:
        self._tell, self._every_s, self._last = tell, every_s, 0.0

    def step(self, done: int, total: int, detail: str = "") -> None:
        now = time.monotonic()
        if now - self._last >= self._every_s or done >= total:
            self._last = now
            self._tell(Step(done, total, detail))


def thread_variables(threads: int) -> dict[str, str]:
    """What the numeric libraries read when they are loaded."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return dict.fromkeys(names, str(threads))


def _keys(stages: Any) -> tuple[str, ...]:
    return tuple(stage.key for stage in stages)


def _load(files: tuple[tuple[str, bytes], ...]) -> None:
    """Python files of the user's, under the names by which stages know them."""
    for name, content in files:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / name
            file.write_bytes(content)
            load_file(file)
