"""What the trials of a defence search would take, before the first of them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from lox_bench.engine.forecast import History
from lox_bench.engine.local import KeepWeights
from lox_bench.engine.stage import Stage
from lox_bench.engine.store import Store
from lox_bench.search.points import Points
from lox_bench.study.defence import SearchedModel
from lox_bench.study.measure import graph_of
from lox_bench.study.study import Study


@dataclass(frozen=True, slots=True)
class DefenceForecast:
    """``trials`` of a model; each makes so many ``stages`` of each kind, in ``seconds``.

    ``nbytes`` of one trial stay on the disk. Both are ``None`` where a kind of stage was never made
    in this cache. Trials that come back to a point that is stored take nothing, so what all take
    together is an upper end.
    """

    model: str
    trials: int
    stages: Mapping[str, int]
    seconds: float | None
    nbytes: float | None


def defence_forecasts(study: Study, store: Store, keep: KeepWeights) -> list[DefenceForecast]:
    """One a model that is tuned; empty without a search."""
    if study.defence is None:
        return []
    points, history = Points(study), History.of(store)
    return [
        _forecast(points, model, study.defence.trials, history, keep)
        for model in study.defence.searched
    ]


def _forecast(
    points: Points, searched: SearchedModel, trials: int, history: History, keep: KeepWeights
) -> DefenceForecast:
    stages: Counter[str] = Counter()
    seconds = nbytes = 0.0
    known = True
    for stage, times in _of_one_trial(points, searched):
        stages[stage.kind] += times
        time, size, basis = history.estimate(stage)
        known = known and basis > 0
        seconds += times * (time or 0.0)
        nbytes += 0.0 if keep.drops(stage) else times * (size or 0.0)
    took = (seconds, nbytes) if known else (None, None)
    return DefenceForecast(searched.text.label, trials, dict(stages), *took)


def _of_one_trial(points: Points, searched: SearchedModel) -> Iterator[tuple[Stage, int]]:
    """The stages that hang on the point, and how often each is made: a searched attack's more."""
    here = points.at(searched, {axis.key: axis.low for axis in searched.axes})
    there = points.at(searched, {axis.key: axis.high for axis in searched.axes})
    shared = set(graph_of(points.trial(there)).order)
    before = set(graph_of(replace(points.dev, variants=tuple(here))).order)
    strength = points.study.strength
    tries = 1 + strength.trials if strength is not None else 1
    for stage in graph_of(points.trial(here)).order:
        if stage not in shared:
            yield stage, 1 if stage in before else tries
