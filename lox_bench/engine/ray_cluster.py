"""Which Ray cluster is used, and what its nodes have."""

import logging
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

from lox_bench.errors import MissingExtraError, UsageError

_ASKED: Final = ("SIGINT", "SIGTERM", "SIGHUP")
_THREADS: Final = "OMP_NUM_THREADS"
_FORWARDED: Final = ("LOX_BENCH_DEVICE", "HF_HUB_OFFLINE", "HF_ENDPOINT", _THREADS)
_CLIENT: Final = "ray://"


@dataclass(frozen=True, slots=True)
class Node:
    """A node, with what it has."""

    id: str
    name: str
    resources: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Cluster:
    """The nodes that were alive when we came; ``ours``: started for us, and to be ended."""

    nodes: tuple[Node, ...]
    ours: bool

    @property
    def gpus(self) -> int:
        """Of all nodes."""
        return int(sum(node.resources.get("GPU", 0) for node in self.nodes))

    @property
    def cpus(self) -> int:
        """Of the largest node."""
        return self._most("CPU")

    @property
    def memory(self) -> int:
        """Bytes, of the largest node."""
        return self._most("memory")

    def has(self, resource: str) -> bool:
        """Whether any node says it has it."""
        return any(resource in node.resources for node in self.nodes)

    def threads_each(self, workers: int) -> int:
        """Threads of each of so many workers: ``OMP_NUM_THREADS``, else the smallest share."""
        asked = os.environ.get(_THREADS, "")
        if asked.isdecimal() and int(asked) > 0:
            return int(asked)
        least = min(int(node.resources.get("CPU", 0)) or 1 for node in self.nodes)
        return max(1, least // ceil(workers / len(self.nodes)))

    def described(self, workers: int, threads: int) -> str:
        """In one line."""
        return (
            f"ray: {len(self.nodes)} nodes, {self.gpus} GPUs; {workers} stages at once, "
            f"{threads} threads each"
        )

    def detach(self) -> None:
        """End a cluster of ours; leave another as it is."""
        import ray

        if self.ours:
            ray.shutdown()

    def _most(self, resource: str) -> int:
        return max(int(node.resources.get(resource, 0)) for node in self.nodes)


def attach(address: str) -> Cluster:
    """Join a cluster, or start one of this machine; one that was joined already is used.

    Raises:
        MissingExtraError: Ray is not installed.
        UsageError: there is no cluster at the address.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("--executor ray", "Ray", "ray") from error
    if address.startswith(_CLIENT):
        raise UsageError(
            f"--address {address}: the driver has to run on a node of the cluster, not behind "
            "Ray's client; start it there with --address auto"
        )
    joined = ray.is_initialized()
    if not joined:
        _join(address or os.environ.get("RAY_ADDRESS", "") or "local")
    return Cluster(tuple(_node(item) for item in ray.nodes() if item["Alive"]), ours=not joined)


def forwarded() -> dict[str, str]:
    """Variables of ours that change where and how stages compute; no secrets."""
    return {name: os.environ[name] for name in _FORWARDED if name in os.environ}


def _join(address: str) -> None:
    import ray

    if address == "local":  # a token left by an earlier cluster would shut us out
        os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    try:
        with _signals_as_they_are():
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level=logging.ERROR,
                include_dashboard=False if address == "local" else None,
            )
    except (ConnectionError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        line = str(error).strip().split("\n")[0]
        raise UsageError(
            f"--address {address}: no Ray cluster could be joined ({line}); is `ray start` done on "
            "this machine, and does RAY_AUTH_MODE say the same here and there?"
        ) from error


@contextmanager
def _signals_as_they_are() -> Iterator[None]:
    """Ray takes SIGTERM for itself; being asked to stop stays our affair."""
    numbers = [getattr(signal, name) for name in _ASKED if hasattr(signal, name)]
    handlers = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _node(item: Mapping[str, Any]) -> Node:
    name = f"{item['NodeManagerHostname']}/{item['NodeID'][:8]}"
    return Node(item["NodeID"], name, dict(item["Resources"]))
