"""What running a graph would take, judged by what the store has seen so far."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from lox_bench.engine.artifact import Manifest, read_manifest
from lox_bench.engine.graph import Graph
from lox_bench.engine.stage import Stage
from lox_bench.engine.store import Store


@dataclass(frozen=True, slots=True)
class Planned:
    """One stage of a graph: stored already, or with an estimate where its like was made before.

    ``basis`` counts the stored stages of its kind and scale; without any, seconds and bytes
    are ``None``.
    """

    stage: Stage
    stored: bool
    needed: bool
    seconds: float | None
    nbytes: float | None
    basis: int


Estimate = tuple[float | None, float | None, int]  # seconds, bytes, number of earlier ones


@dataclass(frozen=True, slots=True)
class History:
    """Seconds and bytes a unit of effort took, by kind and scale, over the store's artifacts."""

    paces: Mapping[tuple[str, str], Sequence[tuple[float, float]]]

    @classmethod
    def of(cls, store: Store) -> "History":
        """Read every manifest."""
        paces: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
        for folder in store.folders():
            manifest = read_manifest(folder)
            if manifest is not None and manifest.units > 0:
                paces[manifest.kind, manifest.scale].append(_pace(manifest))
        return cls(paces)

    def estimate(self, stage: Stage) -> Estimate:
        """Seconds, bytes, and the number of artifacts they rest on."""
        effort = stage.effort
        held = self.paces.get((stage.kind, effort.scale), ())
        if not held:
            return None, None, 0
        seconds, nbytes = zip(*held, strict=True)
        return median(seconds) * effort.units, median(nbytes), len(held)


def planned(graph: Graph, store: Store) -> list[Planned]:
    """Every stage of a graph in order, with what it would take."""
    with store.planning():
        held = graph.held(store)
        missing = set(graph.missing(store, held))
    history = History.of(store)
    return [
        Planned(stage, stage in held, stage in missing, *history.estimate(stage))
        for stage in graph.order
    ]


def _pace(manifest: Manifest) -> tuple[float, float]:
    return manifest.seconds / manifest.units, float(manifest.nbytes)
