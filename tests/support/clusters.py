"""A Ray cluster of several nodes on this machine."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_TESTS = Path(__file__).parents[1]
_TRIES = 4  # Ray gives a node 30 s to begin, which is little on a busy machine


@contextmanager
def two_nodes(cpus: int = 1, **second: Any) -> Iterator[tuple[Any, Any]]:
    """A cluster that this process has joined, and its second node; the driver is on the first."""
    import ray

    os.environ["RAY_AUTH_MODE"] = "disabled"
    os.environ["PYTHONPATH"] = os.pathsep.join([str(_TESTS), *sys.path])  # workers know our toys
    cluster, node = started(cpus, **second)
    try:
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        cluster.wait_for_nodes()
        yield cluster, node
    finally:
        ray.shutdown()
        cluster.shutdown()


def started(cpus: int, **second: Any) -> tuple[Any, Any]:
    """A cluster of two nodes, and the second; ``second`` is how that one differs."""
    from ray.cluster_utils import Cluster

    for _ in range(_TRIES):
        cluster = Cluster()
        try:
            cluster.add_node(num_cpus=cpus, include_dashboard=False)
            return cluster, cluster.add_node(num_cpus=cpus, **second)
        except Exception as error:  # noqa: BLE001 - Ray raises no other
            late = error
            with suppress(Exception):
                cluster.shutdown()
    raise late
