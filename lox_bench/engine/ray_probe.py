"""Before the first stage: whether every node can do what is asked of it."""

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lox_bench import __version__
from lox_bench.engine.ray_cluster import Cluster
from lox_bench.engine.store import CACHE_VARIABLE, TMP, Place
from lox_bench.errors import UsageError
from lox_bench.files import write_text


def probe_cluster(cluster: Cluster, place: Place, paths: Sequence[Path]) -> None:
    """Ask every node whether it sees the store and its locks, the paths, and this version.

    Raises:
        UsageError: one does not; what is wrong, and what to do.
    """
    import ray

    store = place.open()
    token = secrets.token_hex(8)
    mark, lock = store.root / TMP / f"probe-{token}", store.root / "locks" / f"probe-{token}"
    try:
        write_text(mark, token)
        with FileLock(lock):
            strategy = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
            asked = {
                node.name: ray.remote(problem_here).options(
                    num_cpus=0, max_retries=0, scheduling_strategy=strategy(node.id, soft=False)
                )
                for node in cluster.nodes
            }
            arguments = (__version__, str(mark), token, str(lock), [str(path) for path in paths])
            answers = {name: task.remote(*arguments) for name, task in asked.items()}
            for name, ref in answers.items():
                _heed(name, ref)
    finally:
        for file in (mark, lock):
            file.unlink(missing_ok=True)


def _heed(name: str, ref: Any) -> None:
    import ray

    try:
        problem = ray.get(ref)
    except ray.exceptions.RayError as error:
        cause = str(getattr(error, "cause", None) or error).strip().split("\n")[-1]
        problem = f"cannot run lox-bench ({cause}): install it there as it is here"
    if problem:
        raise UsageError(f"node {name} {problem}")


def problem_here(version: str, mark: str, token: str, lock: str, paths: list[str]) -> str:
    """What a node lacks, in words that follow its name; empty if nothing."""
    if version != __version__:
        return f"has lox-bench {__version__} and not {version}: install the same on all nodes"
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
