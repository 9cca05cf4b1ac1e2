"""One base in an engine, with all adapters that go over it: one engine at a time, one start.

An adapter that the engine does not take is merged into the base, and the merged model takes the
engine's place for as long as it is asked.
"""

import shutil
import tempfile
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from lox_bench.backends.loads import MERGED, SERVED
from lox_bench.backends.vllm_model import MOST_RANK, PLAIN, AdapterRefusedError, VllmModel
from lox_bench.engine.store import TMP
from lox_bench.errors import LoxBenchError
from lox_bench.types import Progress
from lox_bench.weights.stacked import merge_adapters, stack_adapters

Start = Callable[[Path, int], VllmModel]  # a checkpoint, and the rank that adapters may have


@dataclass(frozen=True, slots=True)
class Found:
    """A running engine, the number of the adapter in it, and what became of that."""

    model: VllmModel
    number: int
    note: str


class Resident:
    """A base and what goes over it."""

    def __init__(self, base: Path, start: Start, root: Path) -> None:
        """Nothing is started yet.

        Args:
            base: a checkpoint.
            start: starts an engine.
            root: of a store; adapters as the engine takes them, and a checkpoint where some have to
                be merged, lie under its ``tmp`` until ``close``. Where nobody comes to that,
                ``lox-bench cache prune`` removes them.
        """
        self._base, self._start = base, start
        self._place = Path(tempfile.mkdtemp(prefix="vllm-", dir=root / TMP))
        lock = FileLock(root / "locks" / self._place.name)
        lock.acquire()  # while it is held, no other process takes this for left behind
        self._gone = weakref.finalize(self, _removed, self._place, lock)
        self._room = 0
        self._running: tuple[str, VllmModel] | None = None
        self._stacked: dict[str, tuple[int, int]] = {}  # by key: number, rank
        self._refused: dict[str, str] = {}

    def plain(self, room: int) -> VllmModel:
        """The base; its engine will serve adapters of a rank of ``room`` too."""
        return self._base_with(room)

    def adapted(self, key: str, adapters: Sequence[Path], room: int, progress: Progress) -> Found:
        """The base with adapters over it, known by ``key``: served, or merged.

        Raises:
            LoxBenchError: they can be neither served nor merged.
        """
        if key not in self._refused:
            try:
                return self._served(key, adapters, room)
            except AdapterRefusedError as refused:
                self._refused[key] = str(refused)
        model = self._merged(key, adapters, progress)
        return Found(model, PLAIN, f"{MERGED}: {self._refused[key]}")

    def close(self) -> None:
        """End the engine, and remove what was written for it."""
        self._end()
        self._gone()

    def _served(self, key: str, adapters: Sequence[Path], room: int) -> Found:
        number, rank = self._stack(key, adapters)
        if rank > MOST_RANK:
            raise AdapterRefusedError(f"its rank is {rank}, and vLLM serves {MOST_RANK} at most")
        model = self._base_with(max(room, rank))
        model.take(number, self._place / str(number))
        return Found(model, number, SERVED)

    def _stack(self, key: str, adapters: Sequence[Path]) -> tuple[int, int]:
        """Write adapters as the engine takes them, once."""
        if key not in self._stacked:
            number = len(self._stacked) + 1
            folder = self._place / str(number)
            folder.mkdir()
            try:
                self._stacked[key] = number, stack_adapters(self._base, adapters, folder)
            except LoxBenchError as error:
                shutil.rmtree(folder)
                raise AdapterRefusedError(str(error)) from error
        return self._stacked[key]

    def _base_with(self, room: int) -> VllmModel:
        self._room = max(self._room, min(room, MOST_RANK))
        if self._running is not None:
            name, model = self._running
            if name == "" and model.room >= self._room:
                return model
        return self._run("", self._base, self._room)

    def _merged(self, key: str, adapters: Sequence[Path], progress: Progress) -> VllmModel:
        if self._running is not None and self._running[0] == key:
            return self._running[1]
        self._end()
        folder = self._place / MERGED
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return self._run(key, merge_adapters(self._base, adapters, folder, progress), 0)

    def _run(self, name: str, path: Path, room: int) -> VllmModel:
        self._end()
        model = self._start(path, room)
        self._running = name, model
        return model

    def _end(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running[1].close()


def _removed(place: Path, lock: FileLock) -> None:
    """Remove what was written for an engine, also where this process ends before ``close``."""
    shutil.rmtree(place, ignore_errors=True)
    lock.release()
    Path(lock.lock_file).unlink(missing_ok=True)
