"""Run a study as an adversary would: where several points of an attack are open, find the worst.

The point is chosen on the dev prompts and reported on the study's own, so that the reported rate is
not the luckiest of many. A study on the dev prompts has no others: there the choice is made on the
numbers that are reported, and ``worst_case.csv`` says so and widens the intervals.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lox_bench.attacks.points import AttackPoint
from lox_bench.engine.local import Display
from lox_bench.results.metrics import ASR
from lox_bench.results.row import Row
from lox_bench.results.run import VariantName
from lox_bench.results.validity import CONTROL
from lox_bench.search.guards import Decision
from lox_bench.search.tuner import STUDY, Outcome, Search, Space
from lox_bench.search.worst_case import (
    Choice,
    WorstCase,
    attacked_variants,
    choices,
    worst_cases,
)
from lox_bench.study.live import study_rows
from lox_bench.study.measure import VariantResult
from lox_bench.study.strength import SearchedAttack, Strength
from lox_bench.study.study import Study
from lox_bench.study.tasks import planned_task
from lox_bench.study.variant import Variant

Runner = Callable[[Study], Sequence[VariantResult]]


@dataclass(frozen=True, slots=True)
class Findings:
    """What an adversary with a choice of points achieves.

    ``variants`` are the points, ``rows`` what they were chosen on, ``slack`` in points of accuracy;
    ``tests`` names the accuracy task of each attack.
    """

    variants: Sequence[Variant]
    rows: Sequence[Row]
    worst: Sequence[WorstCase]
    slack: float
    tests: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Played:
    """A study carried out; ``study`` holds the variants that searches have added.

    ``decisions`` say how the arguments of methods were chosen, where they were tuned.
    """

    study: Study
    results: Sequence[VariantResult]
    findings: Findings | None
    decisions: Sequence[Decision] = ()


def play(study: Study, run: Runner, display: Display, folder: Path) -> Played:
    """Carry ``study`` out.

    Args:
        study: what to do, perhaps with attacks whose strength is open.
        run: materialises and measures the variants of a study.
        display: where a search shows its progress.
        folder: the run's, where a search keeps its study.
    """
    strength = study.strength
    if strength is None:
        return Played(study, run(study), None)
    tuning = _tuning_study(study)
    same_prompts = tuning.split == study.split
    results = run(study)
    if strength.trials:
        tuner = AttackTuner(study, tuning, strength, run, display, folder / STUDY)
        tuning = replace(tuning, variants=tuner.variants())
        rows, chosen = choose(tuning, run(tuning))
        more = found_variants(study, tuning, chosen)
        study = replace(study, found=(*study.found, *more))
        results = run(study)
    else:
        rows, chosen = choose(tuning, run(tuning))
    worst = worst_cases(study, study_rows(study, results), chosen, same_prompts=same_prompts)
    findings = Findings(tuning.variants, rows, worst, strength.slack, study.accuracy_tasks)
    return Played(study, results, findings)


def _tuning_study(study: Study) -> Study:
    """The study's ends of attacks on the prompts an adversary may look at."""
    tasks = [task for task in study.tasks if task.spec.metric == ASR]
    ends = attacked_variants(study)
    variants = tuple(variant for variant in study.measured if variant.name in ends)
    if all(task.spec.dev_prompts for task in tasks) and study.split != "dev":
        tasks = [planned_task(task.spec, "dev", study.family) for task in tasks]
        return replace(study, variants=variants, tasks=tuple(tasks), split="dev")
    return replace(study, variants=variants, tasks=tuple(tasks))


def choose(tuning: Study, results: Sequence[VariantResult]) -> tuple[list[Row], list[Choice]]:
    """The rows of a study's results, and the point that an adversary would take by them."""
    rows = study_rows(tuning, results)
    return rows, choices(tuning, rows, attacked_variants(tuning))


def found_variants(study: Study, tuning: Study, chosen: Sequence[Choice]) -> tuple[Variant, ...]:
    """The chosen variants that are not among the study's own, each with the undefended control's.

    Without the control under the very same point, nobody knows whether that point breaks anything.
    """
    wanted = {choice.variant for choice in chosen}
    found = [variant for variant in tuning.variants if variant.name in wanted]
    controls = {
        variant.seed: variant
        for variant in study.variants
        if variant.label == CONTROL and variant.attack is None
    }
    found += [
        replace(controls[variant.seed], attack=variant.attack)
        for variant in found
        if variant.seed in controls and variant.attack is not None
    ]
    known = {variant.name for variant in study.measured}
    return tuple({item.name: item for item in found if item.name not in known}.values())


@dataclass(frozen=True, slots=True)
class AttackTuner:
    """Searches the worst point of each attack against each model and seed."""

    study: Study
    tuning: Study
    strength: Strength
    run: Runner
    display: Display
    database: Path

    def variants(self) -> tuple[Variant, ...]:
        """All variants that were tried, the study's own attacks among them, each once."""
        tried = [
            variant
            for model in self.study.measured
            if model.attack is None
            for attack in self.strength.searched
            for variant in self._search(model, attack)
        ]
        return tuple({item.name: item for item in (*self.tuning.variants, *tried)}.values())

    def _search(self, model: Variant, attack: SearchedAttack) -> list[Variant]:
        def variant_at(point: AttackPoint) -> Variant:
            return self.study.attacked(model, point)

        plain = variant_at(AttackPoint(attack.spec, attack.fixed))
        search = Search(
            file=self.database,
            name=VariantName(model.label, attack.spec.name, model.seed).stem,
            space=Space.of(attack, plain.settings),
            trials=self.strength.trials,
            seed=model.seed,
            slack=self.strength.slack,
        )
        with self.display.stage(f"search {search.name}: {search.trials} trials") as progress:
            points = search.run(lambda point: self._attempt(variant_at(point)), progress)
        return [variant_at(point) for point in points]

    def _attempt(self, variant: Variant) -> Outcome:
        """Measure one point; the first judge's word is what the search maximises."""
        trial = replace(self.tuning, variants=(variant,))
        _, (choice, *_) = choose(trial, self.run(trial))
        point = choice.picked
        facts = {"judge": choice.judge, "model_key": variant.model.key, "asked": point.asked}
        return Outcome(point.success, point.accuracy, facts)
