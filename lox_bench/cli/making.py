"""What commands that make stages share: the store, who makes them, which weights stay."""

from typing import Annotated, Any

import typer
from rich.console import Console

from lox_bench.engine.local import Display, KeepWeights, LocalExecutor
from lox_bench.engine.store import Store, default_root
from lox_bench.judges.verdicts import Bench
from lox_bench.serving.pricing import Ledger

Keep = Annotated[
    KeepWeights,
    typer.Option(
        "--keep-weights",
        help="Which weights stay in the cache after their last use: all, dear (not those that are "
        "made again in seconds: hardened, repaired), none (the next study trains again).",
    ),
]


def open_store(console: Console) -> Store:
    """The user's cache; damaged artifacts in it are named on ``console``."""

    def notice(line: str) -> None:
        console.print(f"cache: {line}", style="yellow", markup=False, soft_wrap=True)

    return Store(default_root(), notice)


def executor_for(
    store: Store, display: Display, keep: KeepWeights = KeepWeights.DEAR, bench: Bench | None = None
) -> LocalExecutor:
    """Whoever makes the stages of a command."""
    from lox_bench.provenance import environment

    extras: dict[type, Any] = {} if bench is None else {Bench: bench, Ledger: bench.ledger}
    return LocalExecutor(store, display, keep=keep, environment=environment, extras=extras)
