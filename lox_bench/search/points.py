"""The models that a defence search measures: one at each place of its arguments' space."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from lox_bench.attacks.points import AttackPoint
from lox_bench.methods.arguments import describe
from lox_bench.results.metrics import ASR, OVER_REFUSAL
from lox_bench.search.standing import Looks
from lox_bench.search.trials import Dimension, Params
from lox_bench.study.defence import SearchedModel
from lox_bench.study.models import build_model
from lox_bench.study.study import Study
from lox_bench.study.tasks import PlannedTask, planned_task
from lox_bench.study.variant import Variant


@dataclass(frozen=True)
class Points:
    """Variants of a study at other arguments, and the study of the dev prompts they meet."""

    study: Study

    @cached_property
    def dev(self) -> Study:
        """What is looked at: the first set of harmful requests and the first of look-alikes.

        Dev prompts, the first judge, the attacks' accuracy tasks; no variants yet.
        """
        tasks = tuple(_first(self.study, metric) for metric in (ASR, OVER_REFUSAL))
        return replace(
            self.study,
            variants=(),
            tasks=tuple(planned_task(task.spec, "dev", self.study.family) for task in tasks),
            judges=self.study.judges[:1],
            benchmarks=(),
            defence=None,
            split="dev",
        )

    @cached_property
    def looks(self) -> Looks:
        """The first judge's word on the first set of either kind."""
        harmful, lookalike = self.dev.tasks
        return Looks(self.study.judges[0].name, harmful.spec.name, lookalike.spec.name)

    def plain(self, label: str) -> list[Variant]:
        """A model of the study before any attack, under each seed."""
        return [v for v in self.study.variants if v.label == label and v.attack is None]

    def at(self, searched: SearchedModel, params: Params) -> list[Variant]:
        """A model at other values of what is tuned, before any attack, under each seed."""
        text = searched.at(params)
        return [
            build_model(text, model.family, model.seeds, model.seed)
            for model in self.plain(searched.text.label)
        ]

    def attacked(self, model: Variant) -> list[Variant]:
        """A model after each attack of the study."""
        return [self.study.attacked(model, point) for point in self._attacks]

    def trial(self, models: Sequence[Variant]) -> Study:
        """The study that measures one point where the attack is not searched."""
        attacked = [variant for model in models for variant in self.attacked(model)]
        return replace(self.dev, variants=(*models, *attacked))

    @cached_property
    def _attacks(self) -> list[AttackPoint]:
        points = {
            variant.attack.point.name: variant.attack.point
            for variant in self.study.variants
            if variant.attack is not None
        }
        return list(points.values())


def space_of(searched: SearchedModel) -> Mapping[str, Dimension]:
    """Where a model's arguments are looked for."""
    return {
        axis.key: Dimension(axis.low, axis.high, axis.whole, axis.log) for axis in searched.axes
    }


def start_of(model: Variant, searched: SearchedModel) -> Params:
    """The family's own values, where all of them lie in the space; else nothing."""
    start: dict[str, float] = {}
    for axis in searched.axes:
        text = describe("it", model.methods[axis.position].spec).args[axis.name]
        if not axis.holds(text):
            return {}
        start[axis.key] = int(text) if axis.whole else float(text)
    return start


def _first(study: Study, metric: str) -> PlannedTask:
    return next(t for t in study.tasks if t.spec.metric == metric and t.spec.dev_prompts)
