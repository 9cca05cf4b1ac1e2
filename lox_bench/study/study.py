"""A study: variants x prompt sets x judges x utilities, every name resolved, all frozen.

Everything that can be wrong with a request is found here, before the first second of work.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from lox_bench import __version__
from lox_bench.attacks.points import AttackPoint
from lox_bench.attacks.spec import AttackSpec
from lox_bench.attacks.stage import AttackRows
from lox_bench.backends.backend import Backend, resolved
from lox_bench.backends.loads import Load, load_of
from lox_bench.codec import hash_of
from lox_bench.data.prompts import load_tasks
from lox_bench.errors import UsageError, did_you_mean
from lox_bench.grammar import split_list
from lox_bench.judges.build import pinned
from lox_bench.judges.choice import choose_judges
from lox_bench.judges.kinds import JudgeSpec, described
from lox_bench.names import is_label
from lox_bench.study.answering import Answering, answering_of, require_able
from lox_bench.study.attack_rows import attack_rows
from lox_bench.study.attacked import on_the_way, under_attack
from lox_bench.study.benchmarks import PlannedBenchmark, planned_benchmarks
from lox_bench.study.defence import Defence, read_defence, require_measurable
from lox_bench.study.family import FamilySpec, load_family, on_rungs
from lox_bench.study.launch import chosen_launch
from lox_bench.study.models import ModelText, build_model, read_models
from lox_bench.study.request import Request, shown_seeds
from lox_bench.study.strength import Strength, read_attacks, require_optuna
from lox_bench.study.tasks import (
    PlannedTask,
    PlannedUtility,
    planned_tasks,
    planned_utilities,
)
from lox_bench.study.variant import Family, Seeds, Variant
from lox_bench.utility.spec import load_utility


@dataclass(frozen=True)
class Study:
    """Everything a run will do."""

    family: FamilySpec
    variants: tuple[Variant, ...]
    tasks: tuple[PlannedTask, ...]
    judges: tuple[JudgeSpec, ...]
    utilities: tuple[PlannedUtility, ...]
    attack_data: Mapping[str, AttackRows]
    limit: int | None
    split: str
    answering: Answering
    benchmarks: tuple[PlannedBenchmark, ...] = ()  # lm-eval's own tasks
    attacks: tuple[AttackSpec, ...] = ()  # the specs behind the names in attack_data
    max_steps: int | None = None
    strength: Strength | None = None  # where there is more than one point of an attack
    found: tuple[Variant, ...] = ()  # added by a search: a result, so no part of the key
    defence: Defence | None = None  # where arguments of methods are tuned

    @property
    def backend(self) -> Backend:
        """Who computes the models that have weights."""
        return self.answering.local

    @cached_property
    def key(self) -> str:
        """One hash for the whole study: equal studies write equal results."""
        strength = {} if self.strength is None else {"strength": self.strength.described()}
        defence = {} if self.defence is None else {"defence": self.defence.described()}
        benchmarks = {"benchmarks": [[x.spec.title, x.sha256] for x in self.benchmarks]}
        return hash_of(
            {
                **strength,
                **defence,
                **self.answering.described(),
                **(benchmarks if self.benchmarks else {}),
                "version": __version__,
                "variants": [[item.title, item.seed, item.model.key] for item in self.variants],
                "tasks": [[task.spec.name, task.prompts.sha256] for task in self.tasks],
                "judges": [[judge.name, hash_of(described(judge))] for judge in self.judges],
                "utilities": [[item.title, item.rows.sha256] for item in self.utilities],
                "limit": self.limit,
            }
        )

    def accuracy_task(self, point: AttackPoint) -> str:
        """Title of the accuracy task that an attack is held to; empty without one."""
        titles = {item.asked or item.spec.name: item.title for item in self.utilities}
        return titles.get(point.told.utility, "")

    @property
    def accuracy_tasks(self) -> Mapping[str, str]:
        """The same by the names of the attack specs; those without a task are absent."""
        tasks = {spec.name: self.accuracy_task(AttackPoint(spec)) for spec in self.attacks}
        return {name: task for name, task in tasks.items() if task}

    @property
    def measured(self) -> tuple[Variant, ...]:
        """Its variants and those that a search added."""
        return (*self.variants, *self.found)

    def load_of(self, variant: Variant) -> Load:
        """What is loaded to measure a variant."""
        return load_of(variant.model, self.answering.backend_of(variant))

    @cached_property
    def rooms(self) -> Mapping[str, int]:
        """The highest rank of adapters that is asked of each loaded model, by its key."""
        found: dict[str, int] = {}
        for load in map(self.load_of, self.measured):
            found[load.model.key] = max(found.get(load.model.key, 0), load.rank)
        return found

    def attacked(self, variant: Variant, point: AttackPoint) -> Variant:
        """A variant under an attack, on the rows that the study holds for it."""
        return _attacked(variant, point, self.attack_data)


def make_study(request: Request) -> Study:
    """Check a request and resolve every name, data file and source in it.

    Raises:
        LoxBenchError: anything the user can mend, found before work starts.
    """
    request.check()
    family = on_rungs(load_family(request.family), request.base, request.aligned)
    judges = tuple(map(pinned, choose_judges(request.judges, request.elsewhere)))
    guards = (request.max_over_refusal, request.max_accuracy_loss)
    models, defence = read_defence(read_models(request.models), request.defence_search, guards)
    for option, trials in request.searches:
        require_optuna(option, trials)
    asked = read_attacks(request.attack, search=request.attack_search is not None)
    strength = asked.strength(request.attack_search, request.accuracy_slack)
    attacks = list({str(point.spec.name): point.spec for point in asked.points}.values())
    request = _with_files(request, asked.files)
    reached = (*asked.points, *asked.corners)
    carriers = {str(point.told.name): point.told for point in reached}
    filled = list(({str(spec.name): spec for spec in attacks} | carriers).values())
    _check_data_names(request, filled)
    answering = answering_of(request)
    making = resolved(Backend())  # what models train on is hf's: --backend only measures them
    launch = chosen_launch(request, reached)
    families = [
        Family(family, seed=align, max_steps=request.max_steps, backend=making, launch=launch)
        for align, _ in request.seeds
    ]
    rows = {
        str(spec.name): attack_rows(
            spec, request, families[0], asked.columns.get(str(spec.name), {})
        )
        for spec in filled
    }
    variants = _variants(request, families, models, asked.points, rows)
    for point in asked.corners:  # a search is not to stop on its way
        _attacked(variants[0], point, rows)
    _require_labels(variants)
    tasks = planned_tasks(request, family, searched=strength is not None)
    if defence is not None:
        dev = {task.spec.metric: True for task in tasks if task.spec.dev_prompts}
        require_measurable(judges, dev, split=request.split, attacked=bool(asked.points))
    benchmarks = planned_benchmarks(request.utility, answering.local)
    require_able(request, variants, benchmarks)
    return Study(
        family=family,
        variants=tuple(variants),
        tasks=tasks,
        judges=judges,
        utilities=planned_utilities(filled, request),
        benchmarks=benchmarks,
        attacks=tuple(attacks),
        attack_data=rows,
        limit=request.limit,
        split=request.split,
        answering=answering,
        max_steps=request.max_steps,
        strength=strength,
        defence=defence,
    )


def _variants(
    request: Request,
    families: Sequence[Family],
    models: Sequence[ModelText],
    points: Sequence[AttackPoint],
    rows: Mapping[str, AttackRows],
) -> list[Variant]:
    """For each repetition every model unattacked, then every model under every attack."""
    variants: list[Variant] = []
    repetitions = zip(families, request.seeds, shown_seeds(request.seeds), strict=True)
    for family, (align, attack), shown in repetitions:
        seeds = Seeds(align=align, attack=attack, method=align)
        built = [build_model(model, family, seeds, shown) for model in models]
        variants += built
        for variant in built:
            for point in points:
                attacked = _attacked(variant, point, rows)
                variants += [attacked, *on_the_way(attacked, request.eval_every)]
    return variants


def _attacked(variant: Variant, point: AttackPoint, rows: Mapping[str, AttackRows]) -> Variant:
    mixed = rows[point.spec.name] if point.carrier else None
    return under_attack(variant, point, rows[point.told.name], mixed)


def _with_files(request: Request, files: Mapping[str, Path]) -> Request:
    """``--attack "sft(file=mine.jsonl)"`` is ``--attack sft --data sft=mine.jsonl``."""
    for name, file in files.items():
        if request.data.get(name, file) != file:
            raise UsageError(
                f"attack {name!r} is given two files: {file} by --attack, {request.data[name]} by "
                "--data; give one"
            )
    return replace(request, data={**request.data, **files})


def _require_labels(variants: Sequence[Variant]) -> None:
    """A label goes into tables, pictures and files of rows, where some characters would act."""
    for variant in variants:
        for label in (variant.label, variant.name.attack):
            if not is_label(label):
                raise UsageError(
                    f"{label!a} cannot be shown as it is: letters, digits and .()=,+@|/:~*%#&- "
                    "were wanted (rename the file, or give NAME=PATH)"
                )


def _check_data_names(request: Request, attacks: Sequence[AttackSpec]) -> None:
    known = [str(spec.name) for spec in attacks]
    known += [f"{load_utility(spec.utility).name}/test" for spec in attacks if spec.utility]
    sets = [spec for name in split_list(request.prompts) for spec in load_tasks(name)]
    known += [str(spec.name) for spec in sets if spec.published is not None]
    known += dict.fromkeys(spec.half_of for spec in sets if spec.half_of)
    for name in request.data:
        if name not in known:
            wanted = ", ".join(known) or "nothing: no attack or published prompt set is asked"
            raise UsageError(
                f"--data {name}=...: nothing in this run takes data called {name!r}"
                f"{did_you_mean(name, known)}; it takes data for {wanted}"
            )
