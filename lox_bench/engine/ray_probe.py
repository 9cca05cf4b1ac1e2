"""Before the first stage: whether every node can do what is asked of it."""

import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lox_bench import __version__
from lox_bench.engine.depot import Depot
from lox_bench.engine.place import Place
from lox_bench.engine.ray_cluster import Cluster
from lox_bench.engine.store import CACHE_VARIABLE, TMP
from lox_bench.errors import LoxBenchError, UsageError
from lox_bench.files import write_text


def probe_cluster(cluster: Cluster, place: Place, paths: Sequence[Path]) -> None:
    """Ask every node whether it sees the store and its locks, the paths, and this version.

    Raises:
        UsageError: one does not; what is wrong, and what to do.
    """
    token = secrets.token_hex(8)
    if place.url:
        depot = Depot(place.url)
        depot.put_probe(token)
        try:
            _ask_all(cluster, problem_with_url, (__version__, place.url, token))
        finally:
            depot.remove_probe(token)
        return
    store = place.open()
    mark, lock = store.root / TMP / f"probe-{token}", store.root / "locks" / f"probe-{token}"
    try:
        write_text(mark, token)
        with FileLock(lock):
            seen = [str(path) for path in paths]
            _ask_all(cluster, problem_here, (__version__, str(mark), token, str(lock), seen))
    finally:
        for file in (mark, lock):
            file.unlink(missing_ok=True)


def _ask_all(cluster: Cluster, question: Callable[..., str], arguments: Sequence[Any]) -> None:
    import ray

    strategy = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    asked = {
        node.name: ray.remote(question).options(
            num_cpus=0, max_retries=0, scheduling_strategy=strategy(node.id, soft=False)
        )
        for node in cluster.nodes
    }
    for name, ref in {name: task.remote(*arguments) for name, task in asked.items()}.items():
        _heed(name, ref)


def _heed(name: str, ref: Any) -> None:
    import ray

    try:
        problem = ray.get(ref)
    except ray.exceptions.RayError as error:
        cause = str(getattr(error, "cause", None) or error).strip().split("\n")[-1]
        problem = f"cannot run lox-bench ({cause}): install it there as it is here"
    if problem:
        raise UsageError(f"node {name} {problem}")


def problem_with_url(version: str, url: str, token: str) -> str:
    """What a node lacks that is to read artifacts at a URL; empty if nothing."""
    if version != __version__:
        return _other_version(version)
    try:
        seen = Depot(url).sees_probe(token)
    except LoxBenchError as error:
        return f"cannot use the store: {error}"
    return "" if seen else f"does not see what this machine wrote to {url}: is it another server?"


def problem_here(version: str, mark: str, token: str, lock: str, paths: list[str]) -> str:
    """What a node lacks, in words that follow its name; empty if nothing."""
    if version != __version__:
        return _other_version(version)
    folder = Path(mark).parents[1]
    shared = f"set {CACHE_VARIABLE} to a folder that all nodes share"
    try:
        seen = Path(mark).read_text(encoding="utf-8")
    except OSError:
        seen = ""
    if seen != token:
        return f"does not see the cache {folder} of this machine: {shared}, or use --store URL"
    try:
        with FileLock(lock, timeout=0):
            return (
                f"sees the cache {folder}, but not the locks in it: mount it so that locks hold "
                f"for all nodes (NFS 4; Lustre with -o flock), or use --store URL"
            )
    except Timeout:
        pass
    for path in paths:
        if not Path(path).exists():
            return (
                f"does not see the model folder {path}: put it where all nodes see it under this "
                "name, or name it by its place on the hub"
            )
    return ""


def _other_version(version: str) -> str:
    return f"has lox-bench {__version__} and not {version}: install the same on all nodes"
