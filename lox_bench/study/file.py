"""Study files: a TOML file that says all that the options of ``lox-bench run`` can say, and more.

    families = ["smollm2-135m", "mine.toml"]
    models = ["aligned", "lox(k=2|6)+safe-lora"]
    attacks = ["gsm8k"]

    [[grid]]                      # more models: all combinations of the values
    method = "lox"
    k = [2, 6]
    alpha = [0.5, 1.0]
    plus = "safe-lora(tau=0.5)"

Files that it names are looked for beside it first.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from lox_bench.codec import parse, to_plain, to_toml
from lox_bench.engine.local import KeepWeights
from lox_bench.errors import SpecError
from lox_bench.grammar import split_list
from lox_bench.judges.choice import Elsewhere
from lox_bench.registry import Kind, Table, load
from lox_bench.results.run import NO_ATTACK
from lox_bench.study.locate import (
    located_attack,
    located_file,
    located_model,
    located_task,
    located_weights,
)
from lox_bench.study.request import Request, paired_seeds

_USUAL: Final = Request()
_MAY_BE_EMPTY: Final = (
    "name", "description", "accelerate", "base", "aligned", "utility", "data", "judge", "grid",
)  # fmt: skip
_METHOD, _PLUS = "method", "plus"  # keys of a grid that are no arguments
_MARKS: Final = frozenset("|,()=+")  # of the grammar: a text with one would be read as more


@dataclass(frozen=True, slots=True)
class JudgeModel:
    """Another model or endpoint for judges that ask one, and what all may cost in US dollars."""

    model: str = ""
    base_url: str = ""
    backend: str = ""
    key_env: str = ""
    max_cost: float | None = None


@dataclass(frozen=True, slots=True)
class StudyFile:
    """A study of one family or several, as text; see the help of ``lox-bench run`` for each field.

    ``align_seeds`` and ``attack_seeds`` take the place of ``seeds`` where they are given. ``grid``
    is empty once the file is read: its models have joined ``models``.
    """

    name: str = ""
    description: str = ""
    families: tuple[str, ...] = (_USUAL.family,)
    models: tuple[str, ...] = tuple(split_list(_USUAL.models))
    attacks: tuple[str, ...] = (_USUAL.attack,)
    prompts: tuple[str, ...] = tuple(split_list(_USUAL.prompts))
    utility: tuple[str, ...] = ()
    judges: tuple[str, ...] = tuple(split_list(_USUAL.judges))
    seeds: tuple[int, ...] = (0,)
    align_seeds: tuple[int, ...] | None = None
    attack_seeds: tuple[int, ...] | None = None
    limit: int | None = None
    max_steps: int | None = None
    split: str = _USUAL.split
    strict_data: bool = False
    attack_search: int | None = None
    accuracy_slack: float = _USUAL.accuracy_slack
    eval_every: int | None = None
    accelerate: str = ""
    base: str = ""
    aligned: str = ""
    checkpointing: bool = False
    defence_search: int | None = None
    max_over_refusal: float = _USUAL.max_over_refusal
    max_accuracy_loss: float = _USUAL.max_accuracy_loss
    dtype: str = _USUAL.dtype
    batch_size: int = _USUAL.batch_size
    backend: str = _USUAL.backend
    samples: int = _USUAL.samples
    temperature: float = _USUAL.temperature
    keep_weights: KeepWeights = KeepWeights.DEAR
    data: Mapping[str, str] = field(default_factory=dict)
    judge: JudgeModel = field(default_factory=JudgeModel)
    grid: tuple[Mapping[str, Any], ...] = ()

    def requests(self) -> tuple[Request, ...]:
        """One request a family, in order.

        Raises:
            UsageError: the lists of seeds do not fit together.
        """
        align = self.seeds if self.align_seeds is None else self.align_seeds
        attack = self.seeds if self.attack_seeds is None else self.attack_seeds
        judge = self.judge
        request = Request(
            models=",".join(self.models),
            attack=",".join(self.attacks) or NO_ATTACK,
            prompts=",".join(self.prompts),
            utility=",".join(self.utility),
            judges=",".join(self.judges),
            elsewhere=Elsewhere(judge.model, judge.base_url, judge.backend, judge.key_env),
            seeds=paired_seeds(align, attack),
            limit=self.limit,
            max_steps=self.max_steps,
            split=self.split,
            data={name: Path(file) for name, file in self.data.items()},
            strict_data=self.strict_data,
            attack_search=self.attack_search,
            accuracy_slack=self.accuracy_slack,
            eval_every=self.eval_every,
            accelerate=self.accelerate,
            base=self.base,
            aligned=self.aligned,
            checkpointing=self.checkpointing,
            defence_search=self.defence_search,
            max_over_refusal=self.max_over_refusal,
            max_accuracy_loss=self.max_accuracy_loss,
            dtype=self.dtype,
            batch_size=self.batch_size,
            backend=self.backend,
            samples=self.samples,
            temperature=self.temperature,
        )
        return tuple(replace(request, family=family) for family in self.families)


def load_study(name: str) -> StudyFile:
    """Read a study by name, or from ``FILE.toml``.

    Raises:
        UnknownNameError: no study has this name.
        SpecError: the file cannot be read, or a key is unknown or ill-typed.
        UsageError: an item of a list is malformed.
    """
    found = load(Kind.STUDIES, name)
    if isinstance(found, StudyFile):
        return found
    if not isinstance(found, Table):
        raise SpecError(name, f"a study or a TOML file was wanted, not {found!r}")
    study = parse(StudyFile, found.raw, where=found.where)
    if study.grid:
        own = study.models if "models" in found.raw else ()
        items = [grid_item(grid, found.where) for grid in study.grid]
        study = replace(study, models=(*own, *items), grid=())
    _check(study, found.where)
    return located(study, found.folder) if isinstance(found.folder, Path) else study


def located(study: StudyFile, folder: Path) -> StudyFile:
    """The study with the folder put before the files it names that lie in there."""
    return replace(
        study,
        families=tuple(located_file(item, folder) for item in study.families),
        models=tuple(located_model(item, folder) for item in split_list(",".join(study.models))),
        attacks=tuple(located_attack(item, folder) for item in study.attacks),
        prompts=tuple(located_file(item, folder) for item in study.prompts),
        utility=tuple(located_task(item, folder) for item in study.utility),
        judges=tuple(located_file(item, folder) for item in study.judges),
        accelerate=located_task(study.accelerate, folder) if study.accelerate else "",
        base=located_weights(study.base, folder),
        aligned=located_weights(study.aligned, folder),
        data={name: str(folder / Path(file).expanduser()) for name, file in study.data.items()},
    )


def as_toml(study: StudyFile) -> str:
    """The study file that means the same; what is empty is left out."""
    plain = to_plain(study)
    plain["judge"] = {key: value for key, value in plain["judge"].items() if value}
    empty = [key for key in _MAY_BE_EMPTY if not plain[key]]
    return to_toml({key: value for key, value in plain.items() if key not in empty})


def grid_item(grid: Mapping[str, Any], where: str) -> str:
    """The item of ``--models`` that a table of lists means: ``lox(k=2|6)+safe-lora``.

    Raises:
        SpecError: the table names no method, or holds what no argument can be.
    """
    place = f"{where}: grid"
    for key in (_METHOD, _PLUS):
        if not isinstance(grid.get(key, ""), str):
            raise SpecError(f"{place}: {key}", f"a text was wanted, not {grid[key]!r}")
    if not grid.get(_METHOD):
        raise SpecError(place, f"missing key {_METHOD!r}: which method has these arguments?")
    lists = {name: value for name, value in grid.items() if name not in {_METHOD, _PLUS}}
    args = ",".join(f"{name}={_values(held, f'{place}: {name}')}" for name, held in lists.items())
    call = f"{grid[_METHOD]}({args})" if args else grid[_METHOD]
    return f"{call}+{grid[_PLUS]}" if grid.get(_PLUS) else call


def _values(held: Any, where: str) -> str:
    values = held if isinstance(held, list) else [held]
    if not values:
        raise SpecError(where, "a list of values was wanted, and this one is empty")
    return "|".join(_written(value, where) for value in values)


def _written(value: Any, where: str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if not isinstance(value, str) or not value or _MARKS & set(value):
        raise SpecError(where, f"numbers, true or false, or plain texts were wanted, not {value!r}")
    return value


def _check(study: StudyFile, where: str) -> None:
    """Refuse empty lists here, where the file can be named."""
    for key in ("families", "models", "prompts", "judges", "seeds", "align_seeds", "attack_seeds"):
        if getattr(study, key) == ():
            raise SpecError(f"{where}: {key}", "at least one was wanted, and the list is empty")
