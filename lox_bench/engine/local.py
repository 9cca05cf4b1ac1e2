"""The local executor: one stage after another, in this process."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol

from lox_bench.engine.artifact import Artifact
from lox_bench.engine.context import Inputs, Loaded
from lox_bench.engine.graph import Graph
from lox_bench.engine.stage import Facts, Keep, Stage
from lox_bench.engine.store import Store
from lox_bench.engine.workshop import Environment, Workshop
from lox_bench.errors import StoreError
from lox_bench.types import Progress

_TRIES: Final = 3  # a neighbour may free an input between our finding and our reading it


class KeepWeights(StrEnum):
    """Which weights stay in the store when nothing in the graph reads them any more."""

    ALL = "all"
    DEAR = "dear"
    NONE = "none"

    def drops(self, stage: Stage) -> bool:
        """Whether the stage's weights go after their last use."""
        gone = {
            KeepWeights.ALL: (),
            KeepWeights.DEAR: (Keep.CHEAP,),
            KeepWeights.NONE: (Keep.CHEAP, Keep.DEAR),
        }
        return stage.keep in gone[self]


class Display(Protocol):
    """Where stages are shown; the command line draws bars, tests stay silent."""

    def stage(self, title: str) -> AbstractContextManager[Progress]:
        """Announce a stage that is about to be built."""


class Executor(Protocol):
    """Whoever makes the stages of a graph."""

    def run(self, graph: Graph) -> "Outcome":
        """Make what is missing; the artifacts of all targets and told stages."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a graph came to: the artifact of every stage that was asked for."""

    artifacts: Mapping[Stage, Artifact]

    def __getitem__(self, stage: Stage) -> Artifact:
        """The artifact of a target or told stage."""
        return self.artifacts[stage]

    def facts(self, stage: Stage) -> Facts:
        """What its build told."""
        return self.artifacts[stage].manifest.facts


@dataclass(slots=True)
class LocalExecutor:
    """Makes stages here; ``environment`` says what they are made with, ``extras`` see Context."""

    store: Store
    display: Display
    keep: KeepWeights = KeepWeights.DEAR
    environment: Environment = dict
    extras: Mapping[type, Any] = field(default_factory=dict)
    _loaded: Loaded = field(default_factory=Loaded)

    def run(self, graph: Graph) -> Outcome:
        """Make what is missing, freeing weights after their last use.

        Raises:
            LoxBenchError: a stage cannot be made; what was finished before stays.
        """
        with self.store.planning():
            todo = list(graph.missing(self.store))
        run = _Run(self, graph, todo)
        run.work()
        return Outcome({stage: self._found(stage, run) for stage in (*graph.targets, *graph.told)})

    def _found(self, stage: Stage, run: "_Run") -> Artifact:
        artifact = run.partial.get(stage) or self.store.artifact(stage)
        if artifact is None:
            raise vanished(stage)
        return artifact


@dataclass(slots=True)
class _Run:
    executor: LocalExecutor
    graph: Graph
    todo: list[Stage]
    done: set[Stage] = field(default_factory=set)
    partial: dict[Stage, Artifact] = field(default_factory=dict)
    _kept: frozenset[Stage] = frozenset()
    _by_maker: dict[Stage, list[Stage]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self._kept = frozenset(self.graph.targets)
        for stage in self.todo:
            if stage.maker is not None:
                self._by_maker[stage.maker].append(stage)

    def work(self) -> None:
        users = Counter(needed for stage in self.todo for needed in stage.inputs)
        for stage, affinity in zip(self.todo, _coming(self.todo), strict=True):
            if stage not in self.done:
                self.executor._loaded.keep_only(affinity)  # noqa: SLF001 - of this module
                self._make(stage)
            for needed in stage.inputs:
                users[needed] -= 1
                if not users[needed]:
                    self._release(needed)
        for stage in self.graph.order:
            self._release(stage)

    def _release(self, stage: Stage) -> None:
        if stage not in self._kept:
            release(self.executor.store, self.executor.keep, stage)

    def _make(self, stage: Stage) -> None:
        """Build one stage; inputs that another process freed meanwhile are made again."""
        for _ in range(_TRIES):
            artifacts = {needed: self._input(needed) for needed in stage.inputs}
            try:
                return self._build(stage, Inputs(artifacts))
            except Exception:
                if all(self._held(needed) for needed in stage.inputs):
                    raise
        raise vanished(stage)

    def _input(self, stage: Stage) -> Artifact:
        if self._held(stage) is None:
            self._make(stage)
        found = self._held(stage)
        if found is None:
            raise vanished(stage)
        return found

    def _held(self, stage: Stage) -> Artifact | None:
        return self.partial.get(stage) or self.executor.store.bring(stage)

    def _build(self, stage: Stage, inputs: Inputs) -> None:
        executor = self.executor
        shop = Workshop(executor.store, executor.environment, executor.extras, executor._loaded)  # noqa: SLF001
        with executor.display.stage(stage.title) as progress:
            built = shop.build(stage, inputs, self._on_the_way(stage), progress)
        self.done.update((stage, *built.delivered))
        if built.artifact.partial:
            self.partial[stage] = built.artifact

    def _on_the_way(self, stage: Stage) -> Sequence[Stage]:
        """What is to be made and could be made in the course of ``stage``."""
        makers = (stage,) if stage.maker is None else (stage, stage.maker)
        made = [other for maker in makers for other in self._by_maker.get(maker, ())]
        return tuple(other for other in made if other not in self.done and other != stage)


def release(store: Store, keep: KeepWeights, stage: Stage) -> None:
    """Free a stage's weights, if such weights are not kept."""
    if keep.drops(stage) and store.path_of(stage).is_dir():
        store.free(stage)


def _coming(stages: Sequence[Stage]) -> list[str]:
    """For each stage the affinity of the next one that has any, itself included."""
    names, name = [], ""
    for stage in reversed(stages):
        name = stage.affinity or name
        names.append(name)
    return names[::-1]


def vanished(stage: Stage) -> StoreError:
    """What is raised where an artifact goes away again and again."""
    return StoreError(
        f"{stage.kind}/{stage.key} disappeared from the cache while it was in use (does another "
        "process prune it?); run the same command again"
    )
