"""The plan of a study: its stages as positions and plain data, for those who watch its run."""

from collections.abc import Iterator
from pathlib import Path

from lox_bench.engine.stage import Stage
from lox_bench.judges.kinds import described, reads_of
from lox_bench.results.metrics import called
from lox_bench.results.plan import Plan, PlannedRate, PlannedStage
from lox_bench.study.measure import Stages, graph_of
from lox_bench.study.study import Study
from lox_bench.types import Label


def plan_of(study: Study, cache: Path) -> Plan:
    """Everything the study will make, as far as it is known before it begins."""
    graph = graph_of(study)
    places = {stage: at for at, stage in enumerate(graph.order)}
    wanted, told = set(graph.targets), set(graph.told)
    stages = tuple(
        PlannedStage(
            kind=stage.kind,
            key=stage.key,
            title=stage.title,
            scale=stage.effort.scale,
            units=float(stage.effort.units),
            inputs=tuple(places[needed] for needed in stage.inputs),
            wanted=stage in wanted,
            told=stage in told,
        )
        for stage in graph.order
    )
    searched = study.strength is not None
    return Plan(study.key, str(cache), searched, stages, tuple(_rates(study, places)))


def _rates(study: Study, places: dict[Stage, int]) -> Iterator[PlannedRate]:
    specs = {str(task.spec.name): task.spec for task in study.tasks}
    reads = {judge.name: reads_of(described(judge)) for judge in study.judges}
    for variant in study.variants:
        name = variant.name
        for (task, judge), stage in Stages(study, variant).verdicts.items():
            spec = specs[task]
            yield PlannedRate(
                model=name.model,
                attack=name.attack,
                seed=name.seed,
                task=task,
                judge=judge,
                metric=called(spec.metric, reads[judge]),
                counts=Label(spec.counts),
                stage=places[stage],
            )
