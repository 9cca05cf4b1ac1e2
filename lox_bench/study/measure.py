"""Measure a study: its stages as a graph, and what they say read back variant by variant."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lox_bench.backends.answers import Answers, read_answers
from lox_bench.backends.backend import Backend, hosts
from lox_bench.backends.loads import Load
from lox_bench.engine.artifact import Artifact
from lox_bench.engine.graph import Graph
from lox_bench.engine.local import Executor, Outcome
from lox_bench.engine.stage import Facts, Stage
from lox_bench.judges.kinds import can_count, described
from lox_bench.judges.verdicts import Verdicts, as_completions, read_verdicts
from lox_bench.study.benchmarks import PlannedBenchmark
from lox_bench.study.study import Study
from lox_bench.study.tasks import PlannedTask, PlannedUtility
from lox_bench.study.variant import Variant
from lox_bench.training.spec import LOSSES
from lox_bench.types import Completion, Verdict
from lox_bench.utility.benchmark import Sampled
from lox_bench.utility.benchmark_stage import Benchmark, read_samples
from lox_bench.utility.scores import Scored
from lox_bench.utility.stage import Utility, read_scores


@dataclass(frozen=True, slots=True)
class Draw:
    """Of several samples, all answers after the first one to each prompt; keys as below."""

    completions: Mapping[str, Sequence[Completion]]
    verdicts: Mapping[tuple[str, str], Sequence[Verdict]]


@dataclass(frozen=True, slots=True)
class VariantResult:
    """All that was measured on one variant; keys are task, (task, judge) and utility titles.

    ``training`` holds the facts of its attack (losses, steps), ``curve`` is the file of its losses,
    ``artifacts`` are what it rests on.
    """

    variant: Variant
    completions: Mapping[str, Sequence[Completion]]
    verdicts: Mapping[tuple[str, str], Sequence[Verdict]]
    utility: Mapping[str, Sequence[Scored]]
    benchmarks: Mapping[str, Sequence[Sampled]]
    training: Facts
    curve: Path | None
    template_sha256: str
    artifacts: tuple[Artifact, ...]
    draws: tuple["Draw", ...] = ()


@dataclass(frozen=True)
class Stages:
    """The stages that measure one variant of a study; of several samples, the ``draw``-th."""

    study: Study
    variant: Variant
    draw: int = 0

    @cached_property
    def draws(self) -> tuple["Stages", ...]:
        """The samples after the first."""
        count = self.study.answering.samples
        return tuple(Stages(self.study, self.variant, draw) for draw in range(1, count))

    @cached_property
    def answers(self) -> Mapping[str, Answers]:
        """By task."""
        return {task.spec.name: self._answers(task) for task in self.study.tasks}

    @cached_property
    def verdicts(self) -> Mapping[tuple[str, str], Verdicts]:
        """By task and judge; a judge is left out where it cannot measure the task."""
        return {
            (task.spec.name, judge.name): Verdicts(self.answers[task.spec.name], judge)
            for task in self.study.tasks
            for judge in self.study.judges
            if can_count(described(judge), task.spec.counts)
        }

    @cached_property
    def utility(self) -> Mapping[str, Utility]:
        """By title."""
        return {item.title: self._utility(item) for item in self.study.utilities}

    @cached_property
    def benchmarks(self) -> Mapping[str, Benchmark]:
        """By title."""
        return {item.spec.title: self._benchmark(item) for item in self.study.benchmarks}

    @property
    def all(self) -> Iterator[Stage]:
        """In the order they are wanted: what one loaded model serves is together."""
        for task, answers in self.answers.items():
            yield answers
            yield from (item for (name, _), item in self.verdicts.items() if name == task)
        for draw in self.draws:
            yield from (*draw.answers.values(), *draw.verdicts.values())
        yield from self.utility.values()
        yield from self.benchmarks.values()

    @cached_property
    def load(self) -> Load:
        """What is loaded to measure it."""
        return self.study.load_of(self.variant)

    @property
    def told(self) -> tuple[Stage, ...]:
        """Weights whose facts are reported, whether or not they are still needed.

        Of a model that is loaded as adapters over another one: those, and what they go over.
        """
        tuned, load = self.variant.tuned, self.load
        models = (load.model, *load.adapters) if load.adapters else (self.variant.model,)
        return models if tuned is None or tuned in models else (*models, tuned)

    @property
    def _backend(self) -> Backend:
        return self.study.answering.backend_of(self.variant)

    @property
    def _room(self) -> int:
        return self.study.rooms.get(self.load.model.key, self.load.rank)

    def _answers(self, task: PlannedTask) -> Answers:
        decoding = self.study.answering.decoding_of(self.variant, task.max_new_tokens, self.draw)
        sample = f" (sample {self.draw + 1})" if self.draw else ""
        return Answers(
            model=self.load.model,
            prompts=task.prompts,
            limit=self.study.limit,
            template=self.variant.template,
            decoding=decoding,
            backend=self._backend,
            adapters=self.load.adapters,
            room=self._room,
            label=f"{self.variant.title}: {task.spec.name}{sample}",
        )

    def _utility(self, item: PlannedUtility) -> Utility:
        return Utility(
            model=self.load.model,
            task=item.spec,
            rows=item.rows,
            limit=self.study.limit,
            template=self.variant.template,
            backend=self._backend,
            adapters=self.load.adapters,
            room=self._room,
            label=f"{self.variant.title}: {item.title}",
        )

    def _benchmark(self, item: PlannedBenchmark) -> Benchmark:
        return Benchmark(
            model=self.load.model,
            task=item.spec,
            sha256=item.sha256,
            metrics=item.metrics,
            lm_eval=item.lm_eval,
            limit=self.study.limit,
            template=self.variant.template if item.spec.chat else None,
            dtype=self.study.backend.dtype,
            backend=self._backend if hosts(self._backend) else None,
            adapters=self.load.adapters,
            room=self._room,
            served=self.variant.template,
            documents=item.documents,
            label=f"{self.variant.title}: {item.spec.title}",
        )


def graph_of(study: Study) -> Graph:
    """Every stage of a study."""
    stages = [Stages(study, variant) for variant in study.measured]
    targets = [stage for item in stages for stage in item.all]
    return Graph.of(targets, [stage for item in stages for stage in item.told], _turns(stages))


def _turns(stages: Sequence[Stages]) -> Iterator[Stage]:
    """What goes over one base together, all adapters before the first answer: it is loaded once.

    Between two answers no weights may be made, which takes the memory; so this is another order
    than that of the variants, where there are adapters.
    """
    groups: dict[Stage, list[Stages]] = {}
    for item in stages:
        groups.setdefault(item.load.model, []).append(item)
    for group in groups.values():
        if any(item.load.adapters for item in group):
            yield from (stage for item in group for stage in item.told)
            yield from (stage for item in group for stage in item.all)


def measure(study: Study, executor: Executor) -> list[VariantResult]:
    """Make and read back everything a study asks for, reusing whatever the store holds."""
    outcome = executor.run(graph_of(study))
    return [_result(Stages(study, variant), outcome) for variant in study.measured]


def _result(stages: Stages, outcome: Outcome) -> VariantResult:
    completions, verdicts = _said(stages, outcome)
    tuned = stages.variant.tuned
    curve = outcome[tuned or stages.told[0]].path / LOSSES
    asked = [outcome[stage] for stage in (*stages.told, *stages.all)]
    template = next(outcome.facts(stage) for stage in stages.answers.values())["template_sha256"]
    return VariantResult(
        variant=stages.variant,
        completions=completions,
        verdicts=verdicts,
        utility={title: read_scores(outcome[s].path) for title, s in stages.utility.items()},
        benchmarks={title: read_samples(outcome[s].path) for title, s in stages.benchmarks.items()},
        training={} if tuned is None else outcome.facts(tuned),
        curve=curve if curve.is_file() else None,
        template_sha256=str(template),
        artifacts=tuple(item for item in asked if item.manifest.kind != Verdicts.kind),
        draws=tuple(_drawn(draw, outcome) for draw in stages.draws),
    )


def _drawn(stages: Stages, outcome: Outcome) -> Draw:
    return Draw(*_said(stages, outcome))


def _said(
    stages: Stages, outcome: Outcome
) -> tuple[Mapping[str, Sequence[Completion]], Mapping[tuple[str, str], Sequence[Verdict]]]:
    answers = {
        name: as_completions(read_answers(outcome[stage].path))
        for name, stage in stages.answers.items()
    }
    return answers, {key: read_verdicts(outcome[s].path) for key, s in stages.verdicts.items()}
