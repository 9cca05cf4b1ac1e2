"""Typed, frozen specs read from TOML; unknown keys are refused with the allowed ones named."""

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Formatter
from types import UnionType
from typing import Any, TypeVar, get_args, get_type_hints

from lox_bench.errors import SpecError, UnknownNameError
from lox_bench.judging.kinds import KEYWORD, KINDS, JudgeSpec

T = TypeVar("T")

TOKENIZER_TEMPLATE = "tokenizer"


@dataclass(frozen=True, slots=True)
class Template:
    """A Jinja chat template: its name and text (``None``: the tokenizer's own)."""

    name: str
    text: str | None


@dataclass(frozen=True, slots=True)
class LoxSpec:
    """Default LoX hyper-parameters; ``k = 0`` in TOML means full rank."""

    k: int
    alpha: float


@dataclass(frozen=True, slots=True)
class TrainSpec:
    """What both trainings share; ``batch_size`` is the number of rows per optimiser step."""

    learning_rate: float
    epochs: float
    batch_size: int
    micro_batch_size: int
    warmup_steps: int = 0
    schedule: str = "linear"
    max_grad_norm: float = 1.0
    max_length: int = 1024


@dataclass(frozen=True, slots=True)
class DataSpec:
    """Where rows come from: a local JSONL file, else files on the hub, else a stand-in of ours.

    ``files`` is a pattern inside the hub's data set: parquet, JSON lines, or gzipped JSON lines.
    """

    hub: str = ""
    files: str = ""
    revision: str = "main"
    file: str = ""
    standin: str = ""


@dataclass(frozen=True, slots=True)
class DpoSpec:
    """Direct preference optimisation (arXiv 2305.18290) with an SFT term on the chosen answer.

    Pairs come from ``data``, a preference set with ``chosen`` and ``rejected`` dialogues, or are
    made on-policy: ``harmful`` and ``benign`` prompts, the base's own answers, ``refusals``.
    """

    train: TrainSpec
    beta: float
    sft_weight: float
    data: DataSpec | None = None
    harmful: str = ""
    benign: str = ""
    answer_tokens: int = 32
    max_pairs: int = 0  # 0: all
    refusals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AlignSpec:
    """How the aligned model comes about: a DPO run here, or a released checkpoint."""

    source: str = ""
    dpo: DpoSpec | None = None


@dataclass(frozen=True, slots=True)
class AttackScale:
    """How a family scales attacks made for 7B models to its own size; 0 keeps the attack's own."""

    learning_rate: float = 1.0  # a factor
    epochs: float = 0
    batch_size: int = 0
    micro_batch_size: int = 0
    warmup_steps: int = -1
    max_rows: int = 0


@dataclass(frozen=True, slots=True)
class FamilySpec:
    """A base model, its aligned counterpart and everything they are used with."""

    name: str
    description: str
    base: str
    align: AlignSpec
    lox: LoxSpec
    template: str = TOKENIZER_TEMPLATE
    dtype: str = "bfloat16"
    attack_scale: AttackScale = field(default_factory=AttackScale)


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """Where ``--attack-search`` looks: factors of the family's learning rate, whole epochs."""

    lr_low: float = 0.2
    lr_high: float = 5.0
    epochs_low: int = 1
    epochs_high: int = 4


@dataclass(frozen=True, slots=True)
class AttackSpec:
    """Supervised fine-tuning that may wash the alignment out; ``{column}`` formats a row."""

    name: str
    description: str
    data: DataSpec
    prompt: str
    completion: str
    train: TrainSpec
    max_rows: int = 0
    utility: str = ""
    search: SearchSpace = field(default_factory=SearchSpace)


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """A prompt set and the metric its completions are scored with (share complied or refused)."""

    name: str
    description: str
    prompts: str
    metric: str
    counts: str
    max_new_tokens: int
    dev_prompts: str = ""


@dataclass(frozen=True, slots=True)
class UtilitySpec:
    """A generative lm-eval task over an attack's own test split."""

    name: str
    description: str
    data: DataSpec
    prompt: str
    target: str
    extract: str
    max_new_tokens: int
    standin_max_new_tokens: int = 0  # 0: the same
    max_rows: int = 0


def names_of(kind: str) -> list[str]:
    """Names of all packaged specs of a kind (``families``, ``attacks``, ``judges``, ...)."""
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in _folder(kind).iterdir()
        if entry.name.endswith(".toml")
    )


def load_family(name: str) -> FamilySpec:
    """Read a family by name, or from a TOML file of the user's (``mine.toml``)."""
    if name.endswith(".toml"):
        return parse(FamilySpec, _read_toml(Path(name).expanduser()), where=name)
    return _load(FamilySpec, "families", "family", name)


def load_attack(name: str) -> AttackSpec:
    """Read an attack by name."""
    return _load(AttackSpec, "attacks", "attack", name)


def load_task(name: str) -> TaskSpec:
    """Read a prompt-set task by name."""
    return _load(TaskSpec, "tasks", "task", name)


def load_utility(name: str) -> UtilitySpec:
    """Read a utility task by name."""
    return _load(UtilitySpec, "utility", "utility task", name)


def load_judge(name: str) -> JudgeSpec:
    """Read a judge by name, or from a TOML file of the user's; its ``kind`` says what it is."""
    if name.endswith(".toml"):
        raw, where = _read_toml(Path(name).expanduser()), name
    else:
        raw, where = _packaged("judges", "judge", name), f"judges/{name}.toml"
    kind = str(raw.get("kind", KEYWORD))
    if kind not in KINDS:
        raise SpecError(where, f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    if kind == KEYWORD:
        raw.pop("kind", None)
    return parse(KINDS[kind], raw, where=where)


def load_template(name: str) -> Template:
    """Read a chat template by name; ``tokenizer`` stands for the model's own."""
    if name == TOKENIZER_TEMPLATE:
        return Template(name=name, text=None)
    folder = resources.files("lox_bench.tasks") / "templates"
    file = folder / f"{name}.jinja"
    if not file.is_file():
        known = [entry.name.removesuffix(".jinja") for entry in folder.iterdir()]
        raise UnknownNameError("template", name, [*known, TOKENIZER_TEMPLATE])
    return Template(name=name, text=file.read_text(encoding="utf-8"))


def columns_of(template: str) -> list[str]:
    """Names of the ``{columns}`` a format string uses."""
    return [name for _, name, _, _ in Formatter().parse(template) if name]


def packaged_file(name: str) -> Traversable:
    """A data file below ``tasks/``, such as ``prompts/harmful-eval.jsonl``."""
    return resources.files("lox_bench.tasks").joinpath(*name.split("/"))


def _folder(kind: str) -> Traversable:
    if kind == "judges":
        return resources.files("lox_bench.judges")
    return resources.files("lox_bench.tasks") / ("sets" if kind == "tasks" else kind)


def _load(cls: type[T], kind: str, singular: str, name: str) -> T:
    return parse(cls, _packaged(kind, singular, name), where=f"{kind}/{name}.toml")


def _packaged(kind: str, singular: str, name: str) -> dict[str, Any]:
    known = names_of(kind)
    if name not in known:
        raise UnknownNameError(singular, name, known)
    return tomllib.loads((_folder(kind) / f"{name}.toml").read_text(encoding="utf-8"))


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(str(file), f"cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(str(file), f"is no TOML ({error})") from error


def parse(cls: type[T], raw: Mapping[str, Any], *, where: str) -> T:
    """Build a frozen spec from a TOML table.

    Raises:
        SpecError: a key is unknown (the allowed ones are named), missing, or ill-typed.
    """
    hints = get_type_hints(cls)
    slots = {slot.name: slot for slot in fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(raw) - set(slots))
    if unknown:
        raise SpecError(where, f"unknown key {unknown[0]!r}; allowed: {', '.join(slots)}")
    missing = [
        name
        for name, slot in slots.items()
        if name not in raw and slot.default is MISSING and slot.default_factory is MISSING
    ]
    if missing:
        raise SpecError(where, f"missing key {missing[0]!r}")
    return cls(**{key: _value(hints[key], raw[key], f"{where}: {key}") for key in raw})


def _value(hint: Any, value: Any, where: str) -> Any:
    if isinstance(hint, UnionType):
        hint = next(arm for arm in get_args(hint) if arm is not type(None))
    if hasattr(hint, "__dataclass_fields__"):
        if not isinstance(value, dict):
            raise SpecError(where, f"a table was wanted, not {value!r}")
        return parse(hint, value, where=where)
    if get_args(hint):
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise SpecError(where, f"a list of strings was wanted, not {value!r}")
        return tuple(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is not bool and isinstance(value, bool)):
        raise SpecError(where, f"{hint.__name__} was wanted, not {value!r}")
    return value
