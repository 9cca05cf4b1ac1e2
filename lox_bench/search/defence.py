"""``--defence-search``: tune a method's own arguments against the attack, on the dev prompts.

Peers tune their defences; whoever compares methods at arguments picked by hand compares the hands.
Each model is tuned by itself, one point for all seeds, under guards on what it may cost against the
undefended model (``guards.py``). The attack is as asked, or searched anew against every point.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from lox_bench.engine.local import Display
from lox_bench.files import write_text
from lox_bench.results.run import NO_ATTACK
from lox_bench.results.validity import CONTROL
from lox_bench.search.defence_csv import DEFENCE_SEARCH, to_csv
from lox_bench.search.guards import Candidate, Decision, Guards, decide
from lox_bench.search.play import AttackTuner, Played, Runner, choose, play
from lox_bench.search.points import Points, space_of, start_of
from lox_bench.search.standing import Standing, standing
from lox_bench.search.trials import Earlier, Params, Told, Trials
from lox_bench.search.tuner import STUDY as ATTACK_STUDY
from lox_bench.study.defence import Defence, SearchedModel
from lox_bench.study.study import Study
from lox_bench.study.variant import Variant

STUDY: Final = "defence-search.db"


def carry_out(study: Study, run: Runner, display: Display, folder: Path) -> Played:
    """Carry ``study`` out; where methods are tuned, the chosen points first, then all as usual.

    Args:
        study: what to do.
        run: materialises and measures the variants of a study.
        display: where searches show their progress.
        folder: the run's, where searches keep their trials and ``defence_search.csv`` goes.
    """
    if study.defence is None:
        return play(study, run, display, folder)
    search = DefenceSearch(study, study.defence, run, display, folder)
    tuned = search.tuned()
    decisions = [item.decision for item in tuned]
    write_text(folder / DEFENCE_SEARCH, to_csv(study.family.name, decisions))
    known = {variant.name for variant in study.variants}
    more = [variant for item in tuned for variant in item.chosen if variant.name not in known]
    found = tuple({variant.name: variant for variant in more}.values())
    return replace(play(replace(study, found=found), run, display, folder), decisions=decisions)


@dataclass(frozen=True, slots=True)
class Tuned:
    """What was decided on a model; ``chosen``: the point taken, before and after each attack.

    Empty if none kept the guards, or the one taken is the family's own.
    """

    decision: Decision
    chosen: Sequence[Variant]


@dataclass(frozen=True)
class DefenceSearch:
    """The search of one study; ``folder`` is the run's."""

    study: Study
    defence: Defence
    run: Runner
    display: Display
    folder: Path

    @property
    def points(self) -> Points:
        """The models of the study at other arguments."""
        return Points(self.study)

    def tuned(self) -> list[Tuned]:
        """Tune every model that is to be."""
        points = self.points
        control = self._standing(points, points.plain(CONTROL))
        return [self._search(points, model, control) for model in self.defence.searched]

    def _search(self, points: Points, searched: SearchedModel, control: Standing) -> Tuned:
        guards = Guards(self.defence.over_refusal, self.defence.accuracy)
        models = points.plain(searched.text.label)
        default = Candidate(self._standing(points, models), control, guards, is_default=True)
        known: dict[str, Candidate] = {}

        def candidate(models: Sequence[Variant]) -> Candidate:
            label = models[0].label
            if label not in known:
                known[label] = Candidate(self._standing(points, models), control, guards)
            return known[label]

        def attempt(params: Params, earlier: Earlier) -> Told:
            del earlier
            found = candidate(points.at(searched, params))
            worst = found.standing.worst
            facts = {"point": found.label, "over_refusal": found.rise, "accuracy": found.loss}
            return Told(worst, found.excess, facts, f"{found.label}: {worst:.2f} not refused")

        trials = Trials(
            file=self.folder / STUDY,
            name=searched.text.label,
            space=space_of(searched),
            start=start_of(models[0], searched),
            trials=self.defence.trials,
            seed=models[0].seed,
            direction="minimize",
        )
        with self.display.stage(f"defence search {trials.name}: {trials.trials} trials") as shown:
            tried = [points.at(searched, params) for params in trials.run(attempt, shown)]
            others = {held[0].label: held for held in tried if _methods(held) != _methods(models)}
            candidates = [default, *(candidate(held) for held in others.values())]
        decision = decide(searched.text.label, candidates)
        taken = others.get(decision.chosen.label, []) if decision.chosen else []
        chosen = [item for model in taken for item in (model, *points.attacked(model))]
        return Tuned(decision, chosen)

    def _standing(self, points: Points, models: Sequence[Variant]) -> Standing:
        """Measure one model, all seeds, before and after each attack, on the dev prompts."""
        picked = self._picked(points.trial(models))
        study = replace(points.dev, variants=(*models, *picked))
        ends = {model.name: NO_ATTACK for model in models}
        ends |= {v.name: v.attack.point.spec.name for v in picked if v.attack is not None}
        return standing(study, self.run(study), ends, points.looks)

    def _picked(self, trial: Study) -> list[Variant]:
        """Of each attack the point that is worst for a model, where several are open."""
        attacked = tuple(variant for variant in trial.variants if variant.attack is not None)
        strength = trial.strength
        if strength is None:
            return list(attacked)
        harmful = replace(trial, tasks=trial.tasks[:1], variants=attacked)
        if strength.trials:
            database = self.folder / ATTACK_STUDY
            tuner = AttackTuner(trial, harmful, strength, self.run, self.display, database)
            harmful = replace(harmful, variants=tuner.variants())
        _, choices = choose(harmful, self.run(harmful))
        wanted = {choice.variant for choice in choices}
        return [variant for variant in harmful.variants if variant.name in wanted]


def _methods(models: Sequence[Variant]) -> list[list[object]]:
    """What is done to a model under each seed: before an attack, other repairs look alike."""
    return [[method.spec for method in model.methods] for model in models]
