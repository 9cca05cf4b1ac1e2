"""What models are measured on: prompt sets, and the accuracy tasks of attacks, with their data."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lox_bench.attacks.spec import AttackSpec
from lox_bench.data.prompts import TaskSpec, load_tasks, prompts_of
from lox_bench.data.rows import resolve_rows
from lox_bench.data.spec import columns_of
from lox_bench.data.stage import Prompts, Rows
from lox_bench.errors import UsageError
from lox_bench.grammar import split_list
from lox_bench.results.metrics import ASR
from lox_bench.study.family import FamilySpec
from lox_bench.study.request import Request
from lox_bench.utility.spec import UtilitySpec, load_utility


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """A prompt-set task with the prompts it will use, and where answers to it end."""

    spec: TaskSpec
    prompts: Prompts
    max_new_tokens: int


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


def planned_tasks(
    request: Request, family: FamilySpec, *, searched: bool
) -> tuple[PlannedTask, ...]:
    """The prompt sets of a request; ``searched``: one of harmful requests must be among them.

    Raises:
        UsageError: a set is listed twice, lacks the split, or there is nothing to search by.
    """
    specs = [spec for name in split_list(request.prompts) for spec in load_tasks(name)]
    names = [spec.name for spec in specs]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"prompt set {name!r} is listed twice in {request.prompts!r}")
    if searched and not any(spec.metric == ASR for spec in specs):
        raise UsageError(
            f"--prompts {request.prompts}: of several attack points the worst is sought by {ASR}, "
            "and no prompt set has this metric"
        )
    return tuple(planned_task(spec, request.split, family, _copy(spec, request)) for spec in specs)


def _copy(spec: TaskSpec, request: Request) -> Path | None:
    """The user's copy of a set, given under its own name or that of both halves."""
    return request.data.get(spec.name) or request.data.get(spec.half_of)


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


def planned_utilities(
    attacks: Sequence[AttackSpec], request: Request
) -> tuple[PlannedUtility, ...]:
    """The accuracy tasks that attacks are held to, each once.

    Raises:
        UsageError: one needs data of the user's.
    """
    names = dict.fromkeys(spec.utility for spec in attacks if spec.utility)
    return tuple(_planned_utility(name, request) for name in names)


def _planned_utility(name: str, request: Request) -> PlannedUtility:
    spec = load_utility(name)
    columns = columns_of(spec.prompt) + columns_of(spec.target)
    file = request.data.get(f"{spec.name}/test")
    if file is None and spec.name not in request.data and not spec.data.hub:
        raise UsageError(f"utility {spec.name} needs data: --data {spec.name}/test=FILE.jsonl")
    strict, remedy = request.strict_data, f"give a local copy with --data {spec.name}/test=FILE"
    rows = resolve_rows(spec.data, file, columns=columns, strict=strict, remedy=remedy)
    if rows.is_standin and spec.standin_max_new_tokens:
        spec = replace(spec, max_new_tokens=spec.standin_max_new_tokens)
    return PlannedUtility(spec, rows, name)
