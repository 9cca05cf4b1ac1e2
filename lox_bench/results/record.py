"""What the ``manifest.json`` of a run folder holds: the one form in which code sees it.

Everything that later steps want to know of a run stands here as data. Nobody parses a name for it,
and nobody looks a packaged spec up again: what is known to no registry keeps all its checks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from lox_bench.codec import from_plain, read_json, write_record
from lox_bench.errors import DataError
from lox_bench.files import MANIFEST
from lox_bench.names import is_label
from lox_bench.ranges import NAMES
from lox_bench.types import Label

Plain = Mapping[str, Any]  # JSON data whose form is its writer's affair

_REMEDY = (
    "the folder is broken, or of another lox-bench; run its command again into a new one "
    "(what is cached is not made again)"
)


@dataclass(frozen=True, slots=True)
class RowsRecord:
    """Rows that an attack trained on: where they came from, how many, SHA-256 of their content."""

    label: str
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class PromptsRecord:
    """A prompt set as one task used it; a rate of ``metric`` is the share labelled ``counts``.

    ``max_new_tokens`` is where its answers end (``None``: not known, of imported answers);
    ``samples`` were drawn for each prompt at ``temperature`` (0: one, greedily).
    """

    set: str
    sha256: str
    metric: str
    counts: Label
    max_new_tokens: int | None
    samples: int = 1
    temperature: float = 0.0


@dataclass(frozen=True, slots=True)
class UtilityRecord:
    """The rows of an accuracy task: how many, SHA-256 of their content, where answers end."""

    rows: int
    sha256: str
    max_new_tokens: int


@dataclass(frozen=True, slots=True)
class EnvironmentRecord:
    """What computed: versions by package, device, CPU cores, threads, arithmetic (``bfloat16``)."""

    versions: Mapping[str, str]
    device: str
    cores: int | None
    threads: int
    compute_dtype: str


@dataclass(frozen=True, slots=True)
class StageRecord:
    """One stored stage that a model under test rests on, the seconds it took, what it noted."""

    kind: str
    key: str
    seconds: float
    facts: Plain


@dataclass(frozen=True, slots=True)
class VariantRecord:
    """A model under test.

    Attributes:
        model: the variant before the attack, as shown.
        attack: the attack as shown, perhaps with settings or a step; ``none`` without one.
        attack_spec: name of the attack's spec (``gsm8k``); empty without an attack.
        attack_data: label of the rows the attack trained on; empty without an attack.
        utility: title of the accuracy task that the attack is held to; empty if there is none.
        attacked: whether there was an attack.
        snapshot_step: optimiser steps taken, if these are weights from the midst of an attack.
        snapshot_of: that whole attack as shown; empty unless ``snapshot_step`` is set.
        seed: the seed that rows and files are called by.
        align_seed: of the alignment. ``attack_seed``: of the attack.
        model_key: key of the weights.
        made: how they were made, in full, upstream models inside it.
        template_sha256: of the chat template that prompts were put in.
        backend: that answered; ``dtype``: the type it computed in (``served``: nobody knows).
        loss_before: of the attack's own training rows, before it; ``loss_after``: after it.
        held_out_before: loss on rows that nobody trained on, where there are such;
            ``held_out_after``: after the attack.
        steps: optimiser steps of the attack.
        stages: what was made for it, in order.
    """

    model: str
    attack: str
    attack_spec: str
    attack_data: str
    utility: str
    attacked: bool
    snapshot_step: int | None
    snapshot_of: str
    seed: int
    align_seed: int
    attack_seed: int
    model_key: str
    made: Plain
    template_sha256: str
    backend: str
    dtype: str
    loss_before: float | None
    loss_after: float | None
    held_out_before: float | None
    held_out_after: float | None
    steps: int | None
    stages: tuple[StageRecord, ...]


@dataclass(frozen=True, slots=True)
class BenchmarkRecord:
    """A task of lm-eval: documents, the SHA-256 of all of them, lm-eval's version, its metrics.

    ``versions`` are those that the tasks give themselves, by task.
    """

    documents: int
    sha256: str
    lm_eval: str
    num_fewshot: int | None
    metrics: tuple[str, ...]
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExpenseRecord:
    """What one judge took in one command; ``usd`` is ``None`` where it has no prices.

    ``role``: ``judge``, or ``model`` for a served model under test, whose name ``judge`` then is.
    """

    when: str
    judge: str
    where: str
    served_as: tuple[str, ...]
    requests: int
    from_cache: int
    retries: int
    tokens_in: int
    tokens_out: int
    usd: float | None
    failures: Mapping[str, int]
    role: str = "judge"


@dataclass(frozen=True, slots=True)
class ImportRecord:
    """Where a run comes from that lox-bench did not make, and what nobody said of it.

    Attributes:
        tool: that wrote the files; ``version``: of it, empty if the files do not say.
        files: SHA-256 by name.
        settings: what the files say of how answers were made, by model.
        said: what the user vouched for with ``--settings``; empty: nothing.
        unknown: what is not known, and keeps the run from being compared with others.
    """

    tool: str
    version: str
    files: Mapping[str, str]
    settings: Plain
    said: str
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """A folder taken for a plan whose run has not finished, with what earlier ones left in it.

    ``judges`` are described by name; ``added_judges`` names those the plan itself does not have.
    """

    plan: str
    finished: None = None
    judges: Annotated[Mapping[str, Plain], NAMES] = field(default_factory=dict)
    added_judges: Annotated[tuple[str, ...], NAMES] = ()
    expenses: tuple[ExpenseRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A finished run.

    Attributes:
        plan: key of the plan; ``finished``: when, in ISO time; ``command``: as it was typed.
        split: of the prompts (``eval``, ``dev``); ``limit``: at most so many of each set.
        strength: how open settings of attacks were searched, if any were; ``defence``: how
            arguments of methods were.
        attack_data: by the name of the attack's spec.
        prompts: by task. ``utilities``: by title. ``benchmarks``: lm-eval's own tasks, by title.
        judges: descriptions by name.
        added_judges: names of those that came later, by judging the stored answers.
        variants: the models under test, in the order of the plan.
        imported: where answers come from that another tool stored; ``None``: made here.
    """

    plan: str
    finished: str
    command: tuple[str, ...]
    family: str
    split: str
    limit: int | None
    strength: Plain | None
    attack_data: Mapping[str, RowsRecord]
    prompts: Annotated[Mapping[str, PromptsRecord], NAMES]
    judges: Annotated[Mapping[str, Plain], NAMES]
    added_judges: Annotated[tuple[str, ...], NAMES]
    utilities: Annotated[Mapping[str, UtilityRecord], NAMES]
    environment: EnvironmentRecord
    variants: tuple[VariantRecord, ...]
    expenses: tuple[ExpenseRecord, ...]
    benchmarks: Annotated[Mapping[str, BenchmarkRecord], NAMES] = field(default_factory=dict)
    defence: Plain | None = None
    imported: ImportRecord | None = None

    @property
    def accuracy_tasks(self) -> Mapping[str, str]:
        """The accuracy task that each attack (as shown) is held to; those without are absent."""
        return {item.attack: item.utility for item in self.variants if item.utility}


def load_record(folder: Path) -> RunRecord | Claim:
    """The record of the run in a folder, or the claim on it of one that has not finished.

    Raises:
        DataError: there is none, or it is not of that form (file and field are named).
    """
    file = folder / MANIFEST
    plain = read_json(file)
    claimed = isinstance(plain, dict) and plain.get("finished", "") is None
    try:
        if claimed:
            return from_plain(Claim, plain, where=str(file))
        record = from_plain(RunRecord, plain, where=str(file))
        _require_labels(record, str(file))
    except DataError as error:
        raise DataError(f"{error}; {_REMEDY}") from error
    return record


def _require_labels(record: RunRecord, where: str) -> None:
    labels = [record.family]
    for item in record.variants:
        labels += [item.model, item.attack, item.attack_spec, item.utility, item.snapshot_of]
    odd = next((label for label in labels if not is_label(label)), None)
    if odd is not None:
        raise DataError(f"{where}: {odd[:60]!a} is no name of a family, model or attack")


def save_record(folder: Path, record: RunRecord | Claim) -> None:
    """Write the manifest of a run folder, atomically."""
    write_record(folder / MANIFEST, record)
