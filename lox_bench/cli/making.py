"""What commands that make stages share: the store, who makes them, which weights stay."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console

from lox_bench.cli.quiet import hush_libraries
from lox_bench.engine.local import Display, Executor, KeepWeights, LocalExecutor
from lox_bench.engine.messages import with_parts
from lox_bench.engine.place import Place
from lox_bench.engine.store import Notice, Store, default_root
from lox_bench.judges.verdicts import Bench

Keep = Annotated[
    KeepWeights,
    typer.Option(
        "--keep-weights",
        help="Which weights stay in the cache after their last use: all, dear (not those that are "
        "made again in seconds: hardened, repaired), none (the next study trains again).",
    ),
]


class Where(StrEnum):
    """Where the stages of a study are made."""

    LOCAL = "local"
    RAY = "ray"


@dataclass(frozen=True, slots=True)
class Workers:
    """Who makes stages, and where they are kept.

    ``count`` workers (``None``: as many as the cluster has room for); ``store`` is the URL of the
    artifacts, if they lie at one. ``hushed``: libraries say nothing. ``notice`` hears of workers
    that died.
    """

    where: Where = Where.LOCAL
    count: int | None = None
    address: str = ""
    store: str = ""
    hushed: bool = True
    notice: Notice = lambda _: None


def open_store(console: Console, url: str = "") -> Store:
    """The user's cache, or what lies at a URL; damaged artifacts in it are named on ``console``."""

    def notice(line: str) -> None:
        console.print(f"cache: {line}", style="yellow", markup=False, soft_wrap=True)

    return Place(default_root(), url).open(notice)


def crew_for(
    store: Store,
    display: Display,
    workers: Workers,
    keep: KeepWeights = KeepWeights.DEAR,
    bench: Bench | None = None,
) -> AbstractContextManager[Executor]:
    """The same as a context, with as many workers as are asked for, here or on a cluster.

    Raises:
        MissingExtraError: Ray is asked for and not installed.
        UsageError: there is no such cluster.
    """
    if workers.where is Where.LOCAL and workers.count in {None, 1}:
        return nullcontext(executor_for(store, display, keep, bench))
    from lox_bench.engine.crew import Crew, CrewExecutor
    from lox_bench.engine.pool import Pool, gpus_here, threads_each
    from lox_bench.engine.worker import Setup, nothing
    from lox_bench.provenance import environment

    extras: dict[type, Any] = {} if bench is None else {Bench: bench}
    copies = {kind: item.away() for kind, item in extras.items()}
    prepare = hush_libraries if workers.hushed else nothing
    setup = Setup(store.place, environment, prepare, copies, threads=threads_each(workers.count))
    crew: Crew
    if workers.where is Where.RAY:
        from lox_bench.engine.ray_crew import connect

        crew = connect(setup, workers.count, workers.address, workers.notice)
    else:
        crew = Pool(setup, workers.count or 1, gpus_here())
    return CrewExecutor(store, crew, display, keep, workers.notice, extras)


def executor_for(
    store: Store, display: Display, keep: KeepWeights = KeepWeights.DEAR, bench: Bench | None = None
) -> LocalExecutor:
    """Whoever makes the stages of a command."""
    from lox_bench.provenance import environment

    extras = with_parts({} if bench is None else {Bench: bench})
    return LocalExecutor(store, display, keep=keep, environment=environment, extras=extras)
