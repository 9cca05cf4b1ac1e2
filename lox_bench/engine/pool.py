"""A crew of processes on this machine, each with its share of the threads and of the GPUs."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final, NoReturn

from lox_bench.engine.messages import Ended, Failure, Lost, Made, Message
from lox_bench.engine.resources import Resources
from lox_bench.engine.schedule import Order
from lox_bench.engine.stage import Stage
from lox_bench.engine.worker import Setup, Tell, Worker, thread_variables

_WAIT_S: Final = 1.0
_GRACE_S: Final = 10.0  # from being asked to end to being killed; a build removes its scratch
_GPUS: Final = "CUDA_VISIBLE_DEVICES"


def threads_each(workers: int | None) -> int:
    """Threads of each of so many workers of this machine: ``OMP_NUM_THREADS``, else their share.

    Another number of threads adds up sums in another order: it can change the last bits of
    weights, and so answers. Which number it was stands in the facts of every stage.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    import torch

    return max(1, torch.get_num_threads() // (workers or 1))


def gpus_here() -> list[str]:
    """The GPUs that processes of ours may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    from torch.cuda import device_count  # without opening one

    shown = os.environ.get(_GPUS)
    named = [] if shown is None else [name for name in shown.split(",") if name]
    return named or [str(number) for number in range(device_count())]


@dataclass(slots=True)
class Pool:
    """``workers`` processes, begun when there is something to do, and one for what stays at home.

    ``gpus`` are the ids (as ``CUDA_VISIBLE_DEVICES`` has them) that workers take turns at.
    """

    setup: Setup
    workers: int
    gpus: Sequence[str] = ()
    _hired: dict[str, "_Hired"] = field(default_factory=dict)

    def room(self, *, home: bool) -> bool:
        """Whether a worker has nothing to do."""
        return any(not self._is_busy(name) for name in self._names(home=home))

    def start(self, ticket: int, orders: Sequence[Order], resources: Resources) -> None:
        """Let an idle worker make a bundle."""
        names = self._names(home=resources.home)
        name = next(name for name in names if not self._is_busy(name))
        if name not in self._hired:
            self._hired[name] = self._hire(name)
        worker = self._hired[name]
        worker.ticket = ticket
        send = threading.Thread(target=_send, args=(worker.line, tuple(orders)), daemon=True)
        send.start()  # a worker that is still beginning does not read yet

    def messages(self, wait_s: float = _WAIT_S) -> Iterator[tuple[int, Message]]:
        """What the workers have told; of one that died, that."""
        lines = {worker.line: name for name, worker in self._hired.items()}
        for line in wait(list(lines), wait_s) if lines else ():
            name = lines[line]  # type: ignore[index]
            worker = self._hired[name]
            ticket = worker.ticket
            try:
                message = worker.line.recv()
            except (EOFError, OSError):
                del self._hired[name]
                why = worker.why()
                if ticket is not None:
                    yield ticket, Lost(f"worker {name} {why}")
                continue
            if isinstance(message, Ended):
                worker.ticket = None
            yield ticket or 0, message

    def stop(self) -> None:
        """End all workers; what they are at leaves nothing behind."""
        hired, self._hired = list(self._hired.values()), {}
        for worker in hired:
            worker.process.terminate()
        for worker in hired:
            worker.process.join(_GRACE_S)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.line.close()

    def close(self) -> None:
        """The same."""
        self.stop()

    def ready(self, stages: Sequence[Stage]) -> None:
        """Whatever this machine cannot do, its stages say themselves."""

    def _names(self, *, home: bool) -> list[str]:
        return ["home"] if home else [str(number) for number in range(1, self.workers + 1)]

    def _is_busy(self, name: str) -> bool:
        worker = self._hired.get(name)
        return worker is not None and worker.ticket is not None

    def _hire(self, name: str) -> "_Hired":
        setup = self.setup
        if self.gpus and name.isdecimal():
            gpu = self.gpus[(int(name) - 1) % len(self.gpus)]
            setup = replace(setup, variables={**setup.variables, _GPUS: gpu})
        context = multiprocessing.get_context("spawn")  # what is forked cannot use a GPU
        ours, theirs = context.Pipe()
        process = context.Process(target=_main, args=(theirs, setup), name=f"lox-bench {name}")
        with _environment({**thread_variables(setup.threads), **setup.variables}):
            process.start()
        theirs.close()
        return _Hired(process, ours)


@dataclass(slots=True)
class _Hired:
    process: BaseProcess
    line: "Connection[Any, Any]"
    ticket: int | None = None

    def why(self) -> str:
        """How its process ended."""
        self.process.join(_GRACE_S)
        code = self.process.exitcode or 0
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended ({code})"
        return f"(process {self.process.pid}) {how}"


class _environment:  # noqa: N801 - a context, as in contextlib
    """Variables that a child is to find when it begins."""

    def __init__(self, variables: dict[str, str]) -> None:
        self._wanted = variables
        self._before: dict[str, str | None] = {}

    def __enter__(self) -> None:
        self._before = {name: os.environ.get(name) for name in self._wanted}
        os.environ.update(self._wanted)

    def __exit__(self, *_: object) -> None:
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _main(line: "Connection[Any, Any]", setup: Setup) -> None:
    """Serve until the line is closed, the parent is gone, or SIGTERM comes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends us
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_follow_parent, daemon=True).start()
    lock = threading.Lock()

    def tell(message: Message) -> None:
        with lock:
            line.send(message)

    with suppress(EOFError, BrokenPipeError):
        worker = _begin(setup, tell)
        while True:
            _serve(worker, line, tell)


def _begin(setup: Setup, tell: Tell) -> Worker | Failure:
    try:
        return Worker(setup, tell)
    except Exception as error:  # noqa: BLE001 - told with the first bundle
        return Failure.of(error)


def _serve(worker: Worker | Failure, line: "Connection[Any, Any]", tell: Tell) -> None:
    """Make one bundle."""
    try:
        orders = line.recv()
        if isinstance(worker, Failure):
            tell(Made(0, failure=worker))
        else:
            worker.work(orders)
    except (EOFError, BrokenPipeError):
        raise
    except Exception as error:  # noqa: BLE001 - a class that this process does not know
        tell(Made(0, failure=Failure.of(error)))
    tell(Ended())


def _send(line: "Connection[Any, Any]", orders: tuple[Order, ...]) -> None:
    with suppress(OSError):  # it is dead: its end of the line says so
        line.send(orders)


def _leave(*_: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(0)


def _follow_parent() -> None:
    """A worker whose parent was killed has nobody to work for."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
