"""How far the judges of a run agree, and the answers on which they do not.

Only *complied* and *refused* are opinions: an unjudged answer is a missing label, for kappa (which
takes the answers both judged) as for alpha (which takes those that at least two judged).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from lox_bench.results.run import Run, VariantName
from lox_bench.stats.agreement import (
    Floats,
    alpha_statistics,
    cohen_kappa,
    krippendorff_alpha,
)
from lox_bench.stats.bootstrap import Estimate, bootstrap
from lox_bench.stats.rates import rate
from lox_bench.types import Label, Rate

ALL_TASKS = "all"
LABELS = (Label.COMPLIED, Label.REFUSED, Label.BESIDE, Label.UNJUDGED)
_OPINIONS = LABELS[:-1]

Table = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Opinions:
    """What each judge said of one answer."""

    name: VariantName
    task: str
    prompt_id: str
    labels: Mapping[str, Label]

    @property
    def held(self) -> set[Label]:
        """The different opinions held; two of them are a disagreement."""
        return set(self.labels.values()) - {Label.UNJUDGED}


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An answer that one judge calls complied and another refused."""

    model: str
    attack: str
    seed: int
    task: str
    prompt_id: str
    labels: Mapping[str, Label]

    @property
    def name(self) -> VariantName:
        """The model that answered."""
        return VariantName(self.model, self.attack, self.seed)


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Two judges on one task: ``table[i][j]`` answers got ``LABELS[i]`` and ``LABELS[j]``."""

    judges: tuple[str, str]
    agreement: Rate
    kappa: Estimate
    table: Table


@dataclass(frozen=True, slots=True)
class Agreement:
    """All judges on one task, or on all tasks together (``ALL_TASKS``)."""

    task: str
    alpha: Estimate
    pairs: tuple[PairAgreement, ...]


def opinions(run: Run) -> list[Opinions]:
    """Every answer of a run with every judge's label, models in plan order.

    Raises:
        DataError: two judges' files do not cover the same prompts.
    """
    return [
        item for name in run.names for task in run.tasks for item in _of_variant(run, name, task)
    ]


def disagreements(run: Run) -> list[Disagreement]:
    """The answers on which judges hold different opinions, those to one prompt together."""
    found = [
        Disagreement(
            model=item.name.model,
            attack=item.name.attack,
            seed=item.name.seed,
            task=item.task,
            prompt_id=item.prompt_id,
            labels=item.labels,
        )
        for item in opinions(run)
        if len(item.held) > 1
    ]
    tasks = list(run.tasks)
    return sorted(found, key=lambda item: (tasks.index(item.task), item.prompt_id))


def agreement(run: Run) -> list[Agreement]:
    """Agreement per task, then over all tasks if there are several; empty without two judges."""
    held = opinions(run)
    scopes = {task: [item for item in held if item.task == task] for task in run.tasks}
    if len(scopes) > 1:
        scopes[ALL_TASKS] = held
    measured = [_agreement(task, items, list(run.judges)) for task, items in scopes.items()]
    return [item for item in measured if item.pairs]


def _of_variant(run: Run, name: VariantName, task: str) -> list[Opinions]:
    """Opinions on one model; a judge without verdicts does not measure the task, and has none."""
    held = {judge: run.verdicts(name, task, judge) for judge in run.judges}
    verdicts = {judge: given for judge, given in held.items() if given}
    asked = [item.prompt_id for item in run.completions(name, task)]
    return [
        Opinions(name, task, prompt, {judge: given[i].label for judge, given in verdicts.items()})
        for i, prompt in enumerate(asked)
    ]


def _agreement(task: str, items: Sequence[Opinions], judges: Sequence[str]) -> Agreement:
    said = [list(item.labels.values()) for item in items]
    counts = np.array([[labels.count(label) for label in _OPINIONS] for labels in said], float)
    counts = counts.reshape(-1, len(_OPINIONS))
    pairable = int((counts.sum(axis=1) > 1).sum())
    prompts = [item.prompt_id for item in items]
    pairs = [_pair(items, pair) for pair in combinations(judges, 2)]
    return Agreement(
        task=task,
        alpha=bootstrap(alpha_statistics(counts), prompts, krippendorff_alpha, pairable),
        pairs=tuple(pair for pair in pairs if pair is not None),
    )


def _pair(items: Sequence[Opinions], judges: tuple[str, str]) -> PairAgreement | None:
    """Two judges on the tasks that both measure; ``None`` if there is no such task."""
    shared = [item for item in items if set(judges) <= set(item.labels)]
    if not shared:
        return None
    said = [(item.labels[judges[0]], item.labels[judges[1]]) for item in shared]
    both = [place for place, pair in enumerate(said) if Label.UNJUDGED not in pair]
    units = np.array(
        [[float(said[i] == (a, b)) for a in _OPINIONS for b in _OPINIONS] for i in both]
    ).reshape(-1, len(_OPINIONS) ** 2)
    prompts = [shared[i].prompt_id for i in both]
    return PairAgreement(
        judges=judges,
        agreement=rate(sum(said[i][0] is said[i][1] for i in both), len(both)),
        kappa=bootstrap(units, prompts, _kappa, len(both)),
        table=tuple(tuple(said.count((a, b)) for b in LABELS) for a in LABELS),
    )


def _kappa(units: Floats) -> Floats:
    side = len(_OPINIONS)
    return cohen_kappa(units.reshape(*units.shape[:-1], side, side))
