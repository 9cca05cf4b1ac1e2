"""Paired differences between the models of one or several runs, and their spread over seeds."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import combinations
from math import nan, sqrt
from typing import Any

from lox_bench.compare.matching import require_match
from lox_bench.compare.outcomes import Measure, OutcomeKey, read_outcomes
from lox_bench.errors import IncomparableError
from lox_bench.results.run import NO_ATTACK, Run, VariantName
from lox_bench.results.validity import CONTROL, STATES, YES
from lox_bench.stats.mcnemar import mcnemar
from lox_bench.stats.multiple import holm
from lox_bench.stats.paired import Method, interval
from lox_bench.stats.pairs import Hits, pair
from lox_bench.stats.power import smallest_detectable
from lox_bench.stats.seeds import SeedSpread, seed_spread, seed_variance


class Kind(StrEnum):
    """What differs between the two sides."""

    MODEL = "model"  # two variants under the same attack, or both unattacked
    ATTACK = "attack"  # one variant before and after the attack


@dataclass(frozen=True, slots=True)
class Difference:
    """Rate of ``model_b`` minus rate of ``model_a`` on the same prompts.

    Attributes:
        attack: the attack both sides went through (``none``), or that turned a into b.
        delta: in [-1, 1]; ``ci_low`` and ``ci_high`` bound it at 95 % over prompts, seeds fixed.
        p: exact McNemar, clustered by prompt; ``p_holm`` corrects it for its family, all
            comparisons of the same kind, task, judge and metric.
        detectable: smallest difference this comparison would have found in 80 % of cases.
        by_seed: ``delta`` under each seed; where these scatter more than the interval is wide, the
            interval holds for these checkpoints, not for the method.
        se_seeds: standard error that seeds add to ``delta`` (``seed_variance``); NaN with one seed.
        n: prompts with a complete pair; ``seeds`` per prompt; ``dropped`` pairs are unjudged.
        worst_low, worst_high: range of ``delta`` over all labels the unjudged could have had.
        valid: whether the attack may be used to compare (``validity.STATES``; empty without
            an attack).
    """

    kind: Kind
    task: str
    judge: str
    metric: str
    attack: str
    model_a: str
    model_b: str
    rate_a: float
    rate_b: float
    delta: float
    ci_low: float
    ci_high: float
    p: float
    p_holm: float
    detectable: float
    by_seed: tuple[float, ...]
    se_seeds: float
    n: int
    seeds: int
    dropped: int
    worst_low: float
    worst_high: float
    valid: str

    @property
    def measure(self) -> Measure:
        """What was compared."""
        return Measure(self.task, self.judge, self.metric)


@dataclass(frozen=True, slots=True)
class Spread:
    """One model's rate over seeds."""

    name: OutcomeKey
    seeds: tuple[int, ...]
    spread: SeedSpread


@dataclass(frozen=True)
class Pool:
    """Outcomes of several runs under own labels, validity by (model, attack, task, judge)."""

    outcomes: Mapping[OutcomeKey, Hits]
    validity: Mapping[tuple[str, str, str, str], str]


def compare_runs(
    runs: Sequence[Run], *, metrics: Sequence[str] = (), method: Method = "score"
) -> list[Difference]:
    """All paired differences: between models within an attack, and of each model by the attack.

    Args:
        runs: finished runs; models of one name and making are one model, their seeds pooled.
        metrics: only these, if any are given.
        method: how intervals are made.

    Raises:
        IncomparableError: the runs differ in prompts, template, judges or attack data.
    """
    pool = pool_runs(runs)
    names = [name for name in pool.outcomes if not metrics or name.measure.metric in metrics]
    found: list[Difference] = []
    for measure in dict.fromkeys(name.measure for name in names):
        of_measure = [name for name in names if name.measure == measure]
        found += _corrected([_compare(pool, *two, method) for two in _by_model(of_measure)])
        found += _corrected([_compare(pool, *two, method) for two in _by_attack(of_measure)])
    return found


def seed_spreads(runs: Sequence[Run]) -> list[Spread]:
    """Every model's spread over its seeds, measure by measure."""
    outcomes = pool_runs(runs).outcomes
    return [Spread(name, tuple(sorted(hits)), seed_spread(hits)) for name, hits in outcomes.items()]


def pool_runs(runs: Sequence[Run]) -> Pool:
    """Join runs: what is the same model in both becomes one, what differs is told apart.

    A model whose name an earlier run holds but which was made otherwise (seeds apart) is labelled
    ``model (run)``.

    Raises:
        IncomparableError: see ``compare_runs``.
    """
    titles = _titles(runs)
    require_match([(title, run.rows) for title, run in zip(titles, runs, strict=True)])
    known: dict[tuple[str, str], str] = {}
    outcomes: dict[OutcomeKey, dict[int, Mapping[str, bool | None]]] = {}
    validity: dict[tuple[str, str, str, str], str] = {}
    for title, run in zip(titles, runs, strict=True):
        held = _signatures(run)
        foreign = {pair[0] for pair in held if known.get(pair, held[pair]) != held[pair]}
        known = {**held, **known}
        labels = {row.model: row.model for row in run.rows}
        labels.update({model: f"{model} ({title})" for model in foreign})
        for name, hits in read_outcomes(run).items():
            pooled = outcomes.setdefault(replace(name, model=labels[name.model]), {})
            for seed, answers in hits.items():
                if pooled.setdefault(seed, answers) != answers:
                    raise IncomparableError(
                        f"{title} holds {name.title} under seed {seed} once more, and with other "
                        "outcomes than a run named before it: of one model and seed there is one "
                        "measurement; leave one of the runs out"
                    )
        for row in run.rows:
            key = (labels[row.model], row.attack, row.task, row.judge)
            validity[key] = row.valid if validity.get(key, YES) in {YES, ""} else validity[key]
    return Pool(outcomes, validity)


def _signatures(run: Run) -> dict[tuple[str, str], str]:
    """(model, attack) to how it was made, as text, without seeds and the keys they change."""
    return {
        (variant.model, variant.attack): json.dumps(_seedless(variant.made), sort_keys=True)
        for variant in run.record.variants
    }


def _seedless(made: Any) -> Any:
    if not isinstance(made, Mapping):
        return made
    return {key: _seedless(value) for key, value in made.items() if key not in ("seed", "key")}


def _titles(runs: Sequence[Run]) -> list[str]:
    names = [run.path.resolve().name for run in runs]
    return [
        name if names.count(name) == 1 else str(run.path)
        for name, run in zip(names, runs, strict=True)
    ]


def _by_model(names: Sequence[OutcomeKey]) -> Iterator[tuple[OutcomeKey, OutcomeKey]]:
    """All pairs of models within an attack, the undefended control first."""
    for attack in dict.fromkeys(name.attack for name in names):
        here = [name for name in names if name.attack == attack]
        yield from combinations(sorted(here, key=lambda name: name.model != CONTROL), 2)


def _by_attack(names: Sequence[OutcomeKey]) -> Iterator[tuple[OutcomeKey, OutcomeKey]]:
    """Each model before and after each attack."""
    before = {name.model: name for name in names if name.attack == NO_ATTACK}
    for name in names:
        if name.attack != NO_ATTACK and name.model in before:
            yield before[name.model], name


def _compare(pool: Pool, a: OutcomeKey, b: OutcomeKey, method: Method) -> Difference:
    pairs = pair(pool.outcomes[a], pool.outcomes[b])
    low, high = interval(pairs, method=method)
    kind = Kind.MODEL if a.attack == b.attack else Kind.ATTACK
    model_b = b.model if kind is Kind.MODEL else VariantName(b.model, b.attack, 0).title
    task, judge = b.measure.task, b.measure.judge
    marks = {pool.validity[side.model, side.attack, task, judge] for side in (a, b)} - {""}
    p = mcnemar(pairs)
    return Difference(
        kind=kind,
        task=b.measure.task,
        judge=b.measure.judge,
        metric=b.measure.metric,
        attack=b.attack,
        model_a=a.model,
        model_b=model_b,
        rate_a=pairs.rate_a,
        rate_b=pairs.rate_b,
        delta=pairs.delta,
        ci_low=low,
        ci_high=high,
        p=p,
        p_holm=p,
        detectable=smallest_detectable(pairs),
        by_seed=pairs.by_seed,
        se_seeds=sqrt(seed_variance(pairs)) if len(pairs.by_seed) > 1 else nan,
        n=pairs.n,
        seeds=pairs.seeds,
        dropped=pairs.dropped,
        worst_low=pairs.worst[0],
        worst_high=pairs.worst[1],
        valid=next((mark for mark in STATES if mark in marks), ""),
    )


def _corrected(family: Sequence[Difference]) -> list[Difference]:
    adjusted = holm([item.p for item in family])
    return [replace(item, p_holm=p) for item, p in zip(family, adjusted, strict=True)]
