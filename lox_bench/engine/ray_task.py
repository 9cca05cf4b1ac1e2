"""What runs on the cluster: a bundle as one task, and the board that shows how far each is."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from lox_bench.engine.messages import Begun, Ended, Made, Message
from lox_bench.engine.schedule import Order
from lox_bench.engine.worker import Setup, Worker


@dataclass(frozen=True, slots=True)
class Told:
    """A message about a bundle; ``where`` names node and process."""

    ticket: int
    where: str
    message: Message


@dataclass(slots=True)
class Board:
    """Keeps what tasks tell while they are at work until the driver asks; an actor."""

    _told: list[Told] = field(default_factory=list)

    def put(self, told: Told) -> None:
        """From a task."""
        self._told.append(told)

    def take(self) -> list[Told]:
        """For the driver."""
        told, self._told = self._told, []
        return told


_HERE: dict[str, Worker] = {}  # the worker of this process, by the crew it belongs to


def work(
    token: str, setup: Setup, ticket: int, orders: Sequence[Order], board: Any
) -> list[Message]:
    """Make a bundle; returns all that was told of beginnings and ends, in order."""
    if token not in _HERE:
        _HERE.clear()
        _HERE[token] = Worker(setup, lambda _: None)
    worker, messages = _HERE[token], list[Message]()
    where = f"on {node_name()} (process {os.getpid()})"

    def tell(message: Message) -> None:
        if isinstance(message, Begun | Made):
            messages.append(message)
        if not isinstance(message, Made):
            board.put.remote(Told(ticket, where, message))

    worker.tell = tell
    worker.work(orders)
    return [*messages, Ended()]


def node_name() -> str:
    """The machine, and Ray's name for the node on it."""
    import ray

    return f"{platform.node()}/{ray.get_runtime_context().get_node_id()[:8]}"
