"""The stages of a study: each once, what is needed before what needs it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from heapq import heappop, heappush

from lox_bench.engine.stage import Stage
from lox_bench.engine.store import Store


@dataclass(frozen=True, slots=True)
class Graph:
    """Stages in the order they are made in.

    ``targets`` are to be there in the end; of ``told`` stages it is enough that their facts are
    known, so that weights which nobody reads any more are not made again.
    """

    targets: tuple[Stage, ...]
    told: tuple[Stage, ...]
    order: tuple[Stage, ...]

    @classmethod
    def of(
        cls,
        targets: Iterable[Stage],
        told: Iterable[Stage] = (),
        turns: Iterable[Stage] = (),
    ) -> "Graph":
        """All that the targets rest on; what belongs to one target stays together.

        Targets, and stages that they rest on, among ``turns`` are made in that order, as far as
        what they need allows.
        """
        wanted, known = tuple(dict.fromkeys(targets)), tuple(dict.fromkeys(told))
        found: dict[Stage, None] = {}
        for stage in (*known, *wanted):
            _walk(stage, found)
        upstream = TopologicalSorter({stage: _needs(stage, found) for stage in found})
        ranks = _ranked((*turns, *wanted, *known))
        return cls(wanted, known, tuple(_in_turn(upstream, ranks)))

    def held(self, store: Store) -> frozenset[Stage]:
        """The stages that ``store`` has; each is looked at once, and what is damaged goes."""
        return frozenset(stage for stage in self.order if store.find(stage) is not None)

    def missing(self, store: Store, held: frozenset[Stage] | None = None) -> tuple[Stage, ...]:
        """The stages that have to be made, in order, given what ``store`` holds."""
        found = self.held(store) if held is None else held
        todo: set[Stage] = set()
        seen: set[Stage] = set()
        open_ones = list(self.targets)
        open_ones += [s for s in self.told if s not in found and store.told(s) is None]
        while open_ones:
            stage = open_ones.pop()
            if stage in seen:
                continue
            seen.add(stage)
            if stage not in found:
                todo.add(stage)
                open_ones += stage.inputs
        return tuple(stage for stage in self.order if stage in todo)


def _walk(stage: Stage, found: dict[Stage, None]) -> None:
    waiting = [stage]
    while waiting:
        stage = waiting.pop()
        if stage not in found:
            found[stage] = None
            waiting += stage.inputs


def _needs(stage: Stage, found: dict[Stage, None]) -> tuple[Stage, ...]:
    """Inputs, and a maker that is in the graph anyway: it makes this stage on its way."""
    maker = stage.maker
    return (*stage.inputs, maker) if maker is not None and maker in found else stage.inputs


def _ranked(targets: Iterable[Stage]) -> dict[Stage, int]:
    """The first target that each stage serves; stages are made in that order."""
    ranks: dict[Stage, int] = {}
    for rank, target in enumerate(targets):
        waiting = [target]
        while waiting:
            stage = waiting.pop()
            if stage not in ranks:
                ranks[stage] = rank
                waiting += [*stage.inputs, *([stage.maker] if stage.maker else [])]
    return ranks


def _in_turn(upstream: TopologicalSorter[Stage], ranks: dict[Stage, int]) -> Iterator[Stage]:
    """Topological order; of the stages that are ready, the one that serves the earliest target."""
    upstream.prepare()
    ready: list[tuple[int, int, Stage]] = []
    count = 0
    while upstream.is_active():
        for stage in upstream.get_ready():
            heappush(ready, (ranks[stage], count, stage))
            count += 1
        _, _, stage = heappop(ready)
        yield stage
        upstream.done(stage)
