"""Which stages can be made at this moment, and which belong together.

Every stage and every edge is looked at a fixed number of times, however large the graph.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from lox_bench.engine.stage import Stage

Bundle = tuple[Stage, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """One stage to be made, with what could be made on its way, and which inputs are not final."""

    stage: Stage
    wanted: tuple[Stage, ...] = ()
    unfinished: tuple[Stage, ...] = ()


class Schedule:
    """The stages of a graph that are still to be made, several at a time.

    A *bundle* is made in one place, one stage after the other: all stages that could begin now and
    use one loaded model, or a single stage that loads none.
    """

    def __init__(
        self, todo: Sequence[Stage], is_home: Callable[[Stage], bool] = lambda _: False
    ) -> None:
        """Begin with ``todo``, in the order they are to be made in where there is a choice."""
        self._is_home = is_home
        self._ranks: dict[Stage, int] = {}
        self._open: set[Stage] = set()  # to be made, or being made
        self._waits: dict[Stage, set[Stage]] = {}
        self._after: dict[Stage, list[Stage]] = defaultdict(list)
        self._by_maker: dict[Stage, list[Stage]] = defaultdict(list)
        self._users: Counter[Stage] = Counter()
        self._ready: dict[Stage, None] = {}
        self._by_affinity: dict[str, dict[Stage, None]] = defaultdict(dict)
        self._heaps: dict[bool, list[tuple[int, Stage]]] = {False: [], True: []}
        self._claims: dict[Stage, tuple[Stage, ...]] = {}  # by who is at work on them
        self.steps = 0  # looks at a stage or an edge; for tests of how this grows
        self.add(todo)

    @property
    def is_over(self) -> bool:
        """Whether everything is made."""
        return not self._open

    def add(self, stages: Iterable[Stage]) -> None:
        """More stages to be made; those that are waited for already are passed over."""
        fresh = [stage for stage in stages if stage not in self._open]
        self._open.update(fresh)
        for stage in fresh:
            self._ranks.setdefault(stage, len(self._ranks))
            if stage.maker is not None:
                self._by_maker[stage.maker].append(stage)
            self._users.update(stage.inputs)
        for stage in fresh:
            self._wait(stage, (*stage.inputs, *([stage.maker] if stage.maker else [])))

    def take(self, *, home: bool = False) -> Bundle:
        """The next bundle, which is then at work; empty if nothing can begin.

        Args:
            home: of the stages that only the user's own process can make, or of the others.
        """
        heap = self._heaps[home]
        while heap:
            _, stage = heappop(heap)
            self.steps += 1
            if stage in self._ready:
                return self._together(stage)
        return ()

    def wanted(self, stage: Stage) -> tuple[Stage, ...]:
        """What is to be made and could be made in the course of ``stage``, which has begun."""
        return self._claims.get(stage, ())

    def finish(self, stage: Stage, delivered: Iterable[Stage] = ()) -> list[Stage]:
        """Note what was made; the inputs that nobody needs any more."""
        idle: list[Stage] = []
        for made in (stage, *delivered):
            if made in self._open:
                idle += self._close(made)
        self._unclaim(stage)
        return idle

    def again(self, stage: Stage, first: Iterable[Stage] = ()) -> None:
        """Put back a stage that was not made; ``first`` are inputs of it that have to be made."""
        first = tuple(first)
        self.add(first)
        self._unclaim(stage)
        self._wait(stage, first)

    def _together(self, stage: Stage) -> Bundle:
        mates = self._by_affinity[stage.affinity] if stage.affinity else {stage: None}
        home = self._is_home(stage)
        bundle = sorted((s for s in mates if self._is_home(s) == home), key=self._ranks.__getitem__)
        for member in bundle:
            self._unready(member)
        for member in bundle:
            self._claim(member)
        return tuple(bundle)

    def _claim(self, stage: Stage) -> None:
        """Nobody else is to begin with what can be made in the course of ``stage``."""
        makers = (stage,) if stage.maker is None else (stage, stage.maker)
        made = [other for maker in makers for other in self._by_maker.get(maker, ())]
        claims = tuple(o for o in dict.fromkeys(made) if o in self._open and o != stage)
        if claims:
            self._claims[stage] = claims
        for other in claims:
            self._unready(other)

    def _unclaim(self, stage: Stage) -> None:
        for other in self._claims.pop(stage, ()):
            if other in self._open and not self._waits[other]:
                self._push(other)

    def _wait(self, stage: Stage, upstream: Iterable[Stage]) -> None:
        waits = {needed for needed in upstream if needed in self._open}
        self._waits[stage] = waits
        for needed in waits:
            self._after[needed].append(stage)
        self.steps += 1 + len(waits)
        if not waits:
            self._push(stage)

    def _close(self, stage: Stage) -> list[Stage]:
        self._open.discard(stage)
        self._unready(stage)
        for later in self._after.pop(stage, ()):
            self.steps += 1
            self._waits[later].discard(stage)
            if later in self._open and not self._waits[later]:
                self._push(later)
        self._users.subtract(stage.inputs)
        return [needed for needed in stage.inputs if self._users[needed] <= 0]

    def _push(self, stage: Stage) -> None:
        self._ready[stage] = None
        if stage.affinity:
            self._by_affinity[stage.affinity][stage] = None
        heappush(self._heaps[self._is_home(stage)], (self._ranks[stage], stage))

    def _unready(self, stage: Stage) -> None:
        self._ready.pop(stage, None)
        if stage.affinity:
            self._by_affinity[stage.affinity].pop(stage, None)
