"""Where one stage is built: the same here, in a worker process and on another node."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lox_bench.engine.artifact import Artifact
from lox_bench.engine.context import Context, Inputs, Loaded
from lox_bench.engine.stage import Facts, Stage
from lox_bench.engine.store import Store
from lox_bench.types import Progress

Environment = Callable[[], Facts]


@dataclass(frozen=True, slots=True)
class Built:
    """The artifact of a stage, and the stages that were made on the way."""

    artifact: Artifact
    delivered: tuple[Stage, ...] = ()


@dataclass(slots=True)
class Workshop:
    """A store, what is loaded, and what stages are given; ``environment`` goes into the facts."""

    store: Store
    environment: Environment = dict
    extras: Mapping[type, Any] = field(default_factory=dict)
    loaded: Loaded = field(default_factory=Loaded)

    def build(
        self, stage: Stage, inputs: Inputs, wanted: Sequence[Stage], progress: Progress
    ) -> Built:
        """Make a stage unless the store has it; ``wanted`` could be made in its course."""
        delivered: list[Stage] = []

        def deliver(other: Stage, work: Callable[[Path], Facts]) -> None:
            self.store.build(other, lambda out: {**work(out), **self.environment()})
            delivered.append(other)

        context = Context(
            progress=progress,
            root=self.store.root,
            loaded=self.loaded,
            wanted=wanted,
            deliver=deliver,
            extras=self.extras,
        )

        def work(out: Path) -> Facts:
            return {**stage.build(inputs, out, context), **self.environment()}

        context.partial = any(item.partial for item in inputs.artifacts.values())
        artifact = self.store.build(stage, work, partial=lambda: context.partial)
        return Built(artifact, tuple(delivered))
