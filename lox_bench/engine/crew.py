"""Make a graph with several workers at once: processes of this machine, or those of a cluster."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, Self

from lox_bench.engine.artifact import Artifact
from lox_bench.engine.graph import Graph
from lox_bench.engine.local import Display, KeepWeights, Outcome, release, vanished
from lox_bench.engine.messages import (
    Begun,
    Ended,
    Lost,
    Made,
    Message,
    Said,
    Shared,
    Step,
    WorkerLostError,
)
from lox_bench.engine.resources import Resources
from lox_bench.engine.schedule import Order, Schedule
from lox_bench.engine.stage import Stage
from lox_bench.engine.store import Notice, Store
from lox_bench.types import Progress

TRIES: Final = 3  # of a stage whose worker dies, or whose inputs are freed by a neighbour


class Crew(Protocol):
    """Workers, wherever they are. ``ticket`` is the number of a bundle that is at work."""

    def room(self, *, home: bool) -> bool:
        """Whether a bundle can begin now, in the user's own process group or elsewhere."""

    def start(self, ticket: int, orders: Sequence[Order], resources: Resources) -> None:
        """Let a worker make a bundle."""

    def messages(self) -> Iterator[tuple[int, Message]]:
        """What workers have told since; waits for something to be told, a second at most."""

    def stop(self) -> None:
        """End all that is at work, now."""

    def close(self) -> None:
        """Stop, for good."""

    def ready(self, stages: Sequence[Stage]) -> None:
        """Look whether these stages can be made at all.

        Raises:
            LoxBenchError: they cannot; what is wrong, and what to do.
        """


@dataclass(slots=True)
class CrewExecutor:
    """Makes stages with a crew; used as a context, at whose end the crew goes home.

    ``notice`` hears, in one line, of workers that died. ``extras`` see ``Context``; those that
    are ``Shared`` hear what their copies have counted.
    """

    store: Store
    crew: Crew
    display: Display
    keep: KeepWeights = KeepWeights.DEAR
    notice: Notice = lambda _: None
    extras: Mapping[type, Any] = field(default_factory=dict)

    def __enter__(self) -> Self:
        """Nothing is begun before the first graph."""
        return self

    def __exit__(self, *_: object) -> None:
        """The workers go home."""
        self.crew.close()

    def run(self, graph: Graph) -> Outcome:
        """Make what is missing, freeing weights after their last use.

        A stage whose worker dies is made again. After a stage that fails nothing is begun, and
        what is at work is finished first.

        Raises:
            LoxBenchError: a stage cannot be made; what was finished before stays.
        """
        with self.store.planning():
            todo = graph.missing(self.store)
        if todo:
            self.crew.ready(todo)
        run = _Run(self, graph, Schedule(todo, lambda stage: stage.resources(0).home))
        try:
            run.work()
        except BaseException:
            self.crew.stop()
            raise
        return Outcome({stage: self._found(stage, run) for stage in (*graph.targets, *graph.told)})

    def _found(self, stage: Stage, run: "_Run") -> Artifact:
        artifact = self.store.artifact(stage)
        if artifact is None or (artifact.partial and stage not in run.partial):
            raise vanished(stage)
        return artifact


@dataclass(slots=True)
class _Flight:
    """A bundle at work: what is left of it, and what is shown of it."""

    orders: Sequence[Order]
    made: set[int] = field(default_factory=set)
    at: int = 0
    progress: Progress | None = None
    shown: ExitStack = field(default_factory=ExitStack)

    @property
    def stage(self) -> Stage:
        """The stage that was begun last."""
        return self.orders[self.at].stage

    def drop(self) -> None:
        """Show that the stage came to no good end."""
        lost = WorkerLostError("it is not finished")
        with suppress(WorkerLostError):
            self.shown.__exit__(WorkerLostError, lost, None)

    @property
    def left(self) -> list[Stage]:
        """What has not been made."""
        orders = enumerate(self.orders)
        return [order.stage for index, order in orders if index not in self.made]


@dataclass(slots=True)
class _Run:
    executor: CrewExecutor
    graph: Graph
    schedule: Schedule
    partial: set[Stage] = field(default_factory=set)
    _flights: dict[int, _Flight] = field(default_factory=dict)
    _tries: dict[Stage, int] = field(default_factory=dict)
    _failure: Exception | None = None
    _tickets: int = 0

    def work(self) -> None:
        while not self.schedule.is_over:
            if self._failure is None:
                self._fill(home=True)
                self._fill(home=False)
            if not self._flights and not self._waits():
                break
            for ticket, message in self.executor.crew.messages():
                self._hear(ticket, message)
        if self._failure is not None:
            raise self._failure
        for stage in self.graph.order:
            self._release(stage)

    def _waits(self) -> bool:
        """Whether workers have yet to come home from the graph before."""
        crew = self.executor.crew
        return self._failure is None and not (crew.room(home=True) and crew.room(home=False))

    def _fill(self, *, home: bool) -> None:
        while self.executor.crew.room(home=home):
            bundle = self.schedule.take(home=home)
            if not bundle:
                return
            orders = [self._order(stage) for stage in bundle]
            needs = max((self._resources(stage) for stage in bundle), key=lambda r: r.memory)
            self._tickets += 1
            self._flights[self._tickets] = _Flight(orders)
            self.executor.crew.start(self._tickets, orders, needs)

    def _order(self, stage: Stage) -> Order:
        unfinished = tuple(needed for needed in stage.inputs if needed in self.partial)
        return Order(stage, self.schedule.wanted(stage), unfinished)

    def _resources(self, stage: Stage) -> Resources:
        told = [self.executor.store.told(needed) for needed in stage.inputs]
        return stage.resources(max((item.nbytes for item in told if item), default=0))

    def _hear(self, ticket: int, message: Message) -> None:
        flight = self._flights.get(ticket)
        if isinstance(message, Said):
            self.executor.notice(message.line)
        elif flight is None:  # a word from a worker that was given up
            return
        elif isinstance(message, Begun):
            self._begin(flight, message.index)
        elif isinstance(message, Step):
            if flight.progress is not None:
                flight.progress.step(message.done, message.total, message.detail)
        elif isinstance(message, Made):
            self._made(flight, message)
        else:
            self._land(ticket, flight, message)

    def _begin(self, flight: _Flight, index: int) -> None:
        if index in flight.made or (index == flight.at and flight.progress is not None):
            return  # told before, by another way
        flight.shown.close()
        flight.at = index
        flight.progress = flight.shown.enter_context(
            self.executor.display.stage(flight.orders[index].stage.title)
        )

    def _made(self, flight: _Flight, made: Made) -> None:
        order = flight.orders[made.index]
        for kind, told in made.told.items():
            shared: Shared = self.executor.extras[kind]
            shared.hear(told)
        if made.failure is not None:
            self._fail(made.failure.error(), order.stage)
            return
        flight.made.add(made.index)
        if made.gone:
            self._remake(order.stage, made.gone)
            return
        flight.shown.close()
        if made.partial:
            self.partial.add(order.stage)
        delivered = [stage for stage in order.wanted if stage.key in made.delivered]
        for idle in self.schedule.finish(order.stage, delivered):
            self._release(idle)

    def _land(self, ticket: int, flight: _Flight, message: Ended | Lost) -> None:
        """A bundle has ended; what was not made of it is made another time."""
        del self._flights[ticket]
        flight.drop()
        if isinstance(message, Lost):
            self._mourn(flight.stage, message)
        for stage in flight.left:
            self.schedule.again(stage)

    def _mourn(self, stage: Stage, lost: Lost) -> None:
        if self._failure is not None:
            return
        if self._again(stage):
            self.executor.notice(f"{lost.why} while at {stage.title!r}; that is done again")
        else:
            self._fail(
                WorkerLostError(
                    f"{lost.why} while at {stage.title!r}, and so it went {TRIES} times; does the "
                    "memory suffice? Use fewer workers, then run the same command again"
                ),
                stage,
            )

    def _remake(self, stage: Stage, gone: Sequence[str]) -> None:
        """Inputs that another process freed meanwhile are made again."""
        first = [needed for needed in stage.inputs if needed.key in gone]
        if self._again(stage):
            self.schedule.again(stage, Graph.of(first).missing(self.executor.store))
        else:
            self._fail(vanished(first[0]), stage)

    def _again(self, stage: Stage) -> bool:
        self._tries[stage] = self._tries.get(stage, 1) + 1
        return self._tries[stage] <= TRIES

    def _fail(self, error: Exception, stage: Stage) -> None:
        if self._failure is None:
            self._failure = error
            if len(self._flights) > 1:
                line = f"{stage.title!r} failed; what else is at work is finished first"
                self.executor.notice(line)

    def _release(self, stage: Stage) -> None:
        if stage not in self.graph.targets:
            release(self.executor.store, self.executor.keep, stage)
