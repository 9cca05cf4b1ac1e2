"""A crew on a Ray cluster: every bundle is a task, with the resources that its stages ask for."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

from lox_bench.engine.messages import Ended, Failure, Lost, Made, Message
from lox_bench.engine.pool import Pool
from lox_bench.engine.ray_cluster import Cluster, attach, forwarded
from lox_bench.engine.ray_probe import probe_cluster
from lox_bench.engine.ray_task import Board, Told, work
from lox_bench.engine.resources import Resources
from lox_bench.engine.schedule import Order
from lox_bench.engine.stage import Stage
from lox_bench.engine.store import Notice
from lox_bench.engine.worker import Setup

_POLL_S: Final = 0.3
_GRACE_S: Final = 10.0  # for a cancelled task to remove its scratch
_EVERY_S: Final = 1.0  # of progress
_NETWORK: Final = "network"  # a custom resource of nodes that may reach beyond the cluster
_CRUMB: Final = 0.001


def connect(setup: Setup, workers: int | None, address: str, notice: Notice) -> "RayCrew":
    """A crew on the cluster at ``address``; without one, on a cluster started on this machine.

    Args:
        setup: what every worker has to know.
        workers: bundles at work at one time (default: one a GPU, or one a node).
        address: ``HOST:PORT``, ``auto``, or empty.
        notice: hears of what had to be decided.

    Raises:
        MissingExtraError: Ray is not installed.
        UsageError: there is no such cluster.
    """
    import ray

    cluster = attach(address)
    count = workers or cluster.gpus or len(cluster.nodes)
    threads = cluster.threads_each(count)
    notice(cluster.described(count, threads))
    variables = {**setup.variables, **forwarded()}
    setup = replace(setup, threads=threads, variables=variables, every_s=_EVERY_S)
    here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
        ray.get_runtime_context().get_node_id(), soft=False
    )
    board = ray.remote(Board).options(num_cpus=0, scheduling_strategy=here).remote()
    return RayCrew(cluster, count, board, ray.put(setup), Pool(setup, 0))


@dataclass(slots=True)
class _Task:
    ref: Any
    where: str = "of the cluster"


@dataclass(slots=True)
class RayCrew:
    """``count`` bundles at most are at work on the cluster; ``home`` serves what stays here."""

    cluster: Cluster
    count: int
    board: Any
    setup: Any
    home: Pool
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    _tasks: dict[int, _Task] = field(default_factory=dict)
    _probed: set[Any] = field(default_factory=set)

    def room(self, *, home: bool) -> bool:
        """Whether one more bundle may be given away."""
        return self.home.room(home=True) if home else len(self._tasks) < self.count

    def start(self, ticket: int, orders: Sequence[Order], resources: Resources) -> None:
        """Give a bundle to the cluster, which begins when a node has what it asks for."""
        import ray

        if resources.home:
            self.home.start(ticket, orders, resources)
            return
        options = self.options(resources)
        remote = ray.remote(work).options(max_retries=0, scheduling_strategy="SPREAD", **options)
        ref = remote.remote(self.token, self.setup, ticket, tuple(orders), self.board)
        self._tasks[ticket] = _Task(ref)

    def options(self, needs: Resources) -> dict[str, Any]:
        """What Ray is asked for; never more than the largest node has, or it would wait forever."""
        cluster = self.cluster
        return {
            "num_cpus": min(cluster.threads_each(self.count), cluster.cpus) if needs.threads else 1,
            "num_gpus": 1 if needs.gpu and cluster.gpus else 0,
            "memory": min(needs.memory, cluster.memory),
            "resources": {_NETWORK: _CRUMB} if needs.network and cluster.has(_NETWORK) else {},
        }

    def messages(self) -> Iterator[tuple[int, Message]]:
        """What the board says, and what became of tasks that are over."""
        import ray

        tickets = {task.ref: ticket for ticket, task in self._tasks.items()}
        over = ray.wait(list(tickets), timeout=_POLL_S)[0] if tickets else []
        yield from self.home.messages(0.0 if tickets else _POLL_S)
        yield from self._on_the_board()
        for ref in over:
            ticket = tickets[ref]
            task = self._tasks.pop(ticket)
            for message in _result(task):
                yield ticket, message

    def stop(self) -> None:
        """Cancel all tasks; those that do not heed are killed."""
        import ray

        self.home.stop()
        refs, self._tasks = [task.ref for task in self._tasks.values()], {}
        for force in (False, True):
            for ref in refs:
                with suppress(ray.exceptions.RayError, ValueError):
                    ray.cancel(ref, force=force)
            if refs:
                refs = ray.wait(refs, num_returns=len(refs), timeout=_GRACE_S)[1]

    def close(self) -> None:
        """Stop, and leave the cluster; one that was started for us ends."""
        self.stop()
        self.cluster.detach()

    def ready(self, stages: Sequence[Stage]) -> None:
        """Look, once, whether every node sees the store, our version, and what is linked.

        Raises:
            UsageError: one does not.
        """
        paths = {path for stage in stages for path in stage.resources(0).paths}
        wanted = {self.token, *paths} - self._probed
        if wanted:
            probe_cluster(self.cluster, self.home.setup.place, sorted(paths))
            self._probed |= wanted

    def _on_the_board(self) -> Iterator[tuple[int, Message]]:
        import ray

        told: list[Told] = ray.get(self.board.take.remote())
        for item in told:
            if item.ticket in self._tasks:
                self._tasks[item.ticket].where = item.where
                yield item.ticket, item.message


def _result(task: _Task) -> list[Message]:
    import ray

    try:
        messages: list[Message] = ray.get(task.ref)
    except ray.exceptions.RayTaskError as error:  # before its first stage: code that is not there
        cause = error.cause if isinstance(error.cause, Exception) else error
        return [Made(0, failure=Failure.of(cause)), Ended()]
    except ray.exceptions.RayError as error:
        return [Lost(f"a worker {task.where} was lost ({type(error).__name__})")]
    return messages
