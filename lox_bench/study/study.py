"""A study: variants x prompt sets x judges x utilities, every name resolved, all frozen.

Everything that can be wrong with a request is found here, before the first second of work.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from lox_bench import __version__
from lox_bench.attacks.points import AttackPoint
from lox_bench.attacks.spec import AttackSpec
from lox_bench.attacks.stage import AttackRows
from lox_bench.backends.backend import Backend, Decoding, resolved
from lox_bench.codec import hash_of
from lox_bench.data.prompts import TaskSpec, load_tasks, prompts_of
from lox_bench.data.rows import published_rows, resolve_rows
from lox_bench.data.spec import columns_of
from lox_bench.data.stage import Prompts, Rows
from lox_bench.errors import UnknownNameError, UsageError
from lox_bench.grammar import split_list
from lox_bench.judges.build import pinned
from lox_bench.judges.choice import choose_judges
from lox_bench.judges.kinds import JudgeSpec, described
from lox_bench.names import is_label
from lox_bench.results.run import NO_ATTACK
from lox_bench.study.benchmarks import PlannedBenchmark, planned_benchmarks
from lox_bench.study.family import FamilySpec, load_family, on_rungs
from lox_bench.study.launch import chosen_launch
from lox_bench.study.models import ModelText, build_model, read_models
from lox_bench.study.request import Request, shown_seeds
from lox_bench.study.strength import Strength, read_attacks, require_optuna
from lox_bench.study.variant import Family, Seeds, Variant, on_the_way, under_attack
from lox_bench.utility.spec import UtilitySpec, load_utility

_ASR: Final = "asr"


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """A prompt-set task with the prompts it will use, and where answers to it end."""

    spec: TaskSpec
    prompts: Prompts
    max_new_tokens: int

    @property
    def decoding(self) -> Decoding:
        """How its answers are generated."""
        return Decoding(self.max_new_tokens)


@dataclass(frozen=True, slots=True)
class PlannedUtility:
    """A utility task with the rows it will use."""

    spec: UtilitySpec
    rows: Rows
    asked: str = ""  # how attacks call it, where not by its own name: package/name, FILE.toml

    @property
    def title(self) -> str:
        """The task's name, marked when its rows are only a stand-in."""
        return f"{self.spec.name}-standin" if self.rows.is_standin else self.spec.name


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
    backend: Backend
    benchmarks: tuple[PlannedBenchmark, ...] = ()  # lm-eval's own tasks
    attacks: tuple[AttackSpec, ...] = ()  # the specs behind the names in attack_data
    max_steps: int | None = None
    strength: Strength | None = None  # where there is more than one point of an attack
    found: tuple[Variant, ...] = ()  # added by a search: a result, so no part of the key

    @cached_property
    def key(self) -> str:
        """One hash for the whole study: equal studies write equal results."""
        strength = {} if self.strength is None else {"strength": self.strength.described()}
        benchmarks = {"benchmarks": [[x.spec.title, x.sha256] for x in self.benchmarks]}
        return hash_of(
            {
                **strength,
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

    def attacked(self, variant: Variant, point: AttackPoint) -> Variant:
        """A variant under an attack, on the rows that the study holds for it."""
        return _attacked(variant, point, self.attack_data)

    @property
    def name(self) -> str:
        """Default name of the run's folder: the same request always gets the same one."""
        attacks = "+".join(spec.name for spec in self.attacks) or NO_ATTACK
        return f"{self.family.name}-{attacks}-{self.key[:8]}"


def make_study(request: Request) -> Study:
    """Check a request and resolve every name, data file and source in it.

    Raises:
        LoxBenchError: anything the user can mend, found before work starts.
    """
    request.check()
    family = on_rungs(load_family(request.family), request.base, request.aligned)
    judges = tuple(map(pinned, choose_judges(request.judges, request.elsewhere)))
    models = read_models(request.models)
    if request.attack_search is not None:
        require_optuna()
    asked = read_attacks(request.attack, search=request.attack_search is not None)
    strength = asked.strength(request.attack_search, request.accuracy_slack)
    attacks = list({str(point.spec.name): point.spec for point in asked.points}.values())
    request = _with_files(request, asked.files)
    carriers = {str(point.told.name): point.told for point in asked.points}
    filled = list(({str(spec.name): spec for spec in attacks} | carriers).values())
    _check_data_names(request, filled)
    backend = resolved(Backend())
    launch = chosen_launch(request, asked.points)
    families = [
        Family(family, seed=align, max_steps=request.max_steps, backend=backend, launch=launch)
        for align, _ in request.seeds
    ]
    rows = {str(spec.name): _attack_rows(spec, request, families[0]) for spec in filled}
    variants = _variants(request, families, models, asked.points, rows)
    _require_labels(variants)
    return Study(
        family=family,
        variants=tuple(variants),
        tasks=_tasks(request, family, searched=strength is not None),
        judges=judges,
        utilities=_utilities(filled, request),
        benchmarks=planned_benchmarks(request.utility, backend),
        attacks=tuple(attacks),
        attack_data=rows,
        limit=request.limit,
        split=request.split,
        backend=backend,
        max_steps=request.max_steps,
        strength=strength,
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
    sets = (spec for name in split_list(request.prompts) for spec in load_tasks(name))
    known += [str(spec.name) for spec in sets if spec.published is not None]
    for name in request.data:
        if name not in known:
            raise UnknownNameError("data set of this run", name, known or ["(no attack is asked)"])


def _attack_rows(spec: AttackSpec, request: Request, family: Family) -> AttackRows:
    """The user's rows, else the hub's, else the stand-in: a file, or the base's own answers."""
    columns = columns_of(spec.prompt) + columns_of(spec.completion)
    file, data = request.data.get(spec.name), spec.data
    if data.own_answers and not request.strict_data:
        found = published_rows(data, file, columns)
        return found or family.own_rows(data)
    return resolve_rows(data, file, columns=columns, strict=request.strict_data)


def _tasks(request: Request, family: FamilySpec, *, searched: bool) -> tuple[PlannedTask, ...]:
    specs = [spec for name in split_list(request.prompts) for spec in load_tasks(name)]
    names = [spec.name for spec in specs]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"prompt set {name!r} is listed twice in {request.prompts!r}")
    if searched and not any(spec.metric == _ASR for spec in specs):
        raise UsageError(
            f"--prompts {request.prompts}: of several attack points the worst is sought by {_ASR}, "
            "and no prompt set has this metric"
        )
    return tuple(
        planned_task(spec, request.split, family, request.data.get(spec.name)) for spec in specs
    )


def planned_task(
    spec: TaskSpec, split: str, family: FamilySpec, local: Path | None = None
) -> PlannedTask:
    """A task with the prompts of a split.

    Raises:
        UsageError: it has none for ``--split dev``.
    """
    if split == "dev" and not spec.dev_prompts:
        raise UsageError(f"--split dev: prompt set {spec.name!r} has no dev_prompts; leave it out")
    prompts = prompts_of(spec, split, local)
    return PlannedTask(spec, prompts, spec.max_new_tokens or family.max_new_tokens)


def _utilities(attacks: Sequence[AttackSpec], request: Request) -> tuple[PlannedUtility, ...]:
    names = dict.fromkeys(spec.utility for spec in attacks if spec.utility)
    return tuple(_planned_utility(name, request) for name in names)


def _planned_utility(name: str, request: Request) -> PlannedUtility:
    spec = load_utility(name)
    columns = columns_of(spec.prompt) + columns_of(spec.target)
    file = request.data.get(f"{spec.name}/test")
    if file is None and spec.name not in request.data and not spec.data.hub:
        raise UsageError(f"utility {spec.name} needs data: --data {spec.name}/test=FILE.jsonl")
    rows = resolve_rows(spec.data, file, columns=columns, strict=request.strict_data)
    if rows.is_standin and spec.standin_max_new_tokens:
        spec = replace(spec, max_new_tokens=spec.standin_max_new_tokens)
    return PlannedUtility(spec, rows, name)
