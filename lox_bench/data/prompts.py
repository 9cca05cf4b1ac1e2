"""Prompt sets, and the tasks that say how their answers are counted."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from lox_bench.data.published import PublishedSet, published_prompts
from lox_bench.data.stage import Prompts
from lox_bench.data.user_file import read_user_file
from lox_bench.engine.stage import Text
from lox_bench.errors import DataError, SpecError
from lox_bench.names import Name, is_name
from lox_bench.ranges import Range
from lox_bench.registry import Kind, load_spec, packaged_file
from lox_bench.types import Label

_ENDINGS: Final = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
_TEXTS: Final = ("prompt", "goal", "behavior", "question", "instruction", "request")
_COUNTED: Final = (Label.COMPLIED.value, Label.REFUSED.value)


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """A prompt set and the metric its completions are scored with (share complied or refused).

    The prompts are a packaged file or one of the user's (``prompts``), or a ``published`` set.
    """

    name: Name
    description: str
    metric: str
    counts: str
    prompts: str = ""
    max_new_tokens: Annotated[int, Range(0, 1_000_000)] = 0  # 0: the family's
    dev_prompts: str = ""
    published: PublishedSet | None = None


def load_task(name: str) -> TaskSpec:
    """Read a prompt-set task by name, or from a TOML file; see ``registry.load_spec``.

    Raises:
        SpecError: besides, it counts neither compliance nor refusals.
    """
    spec = load_spec(TaskSpec, Kind.TASKS, name, ("prompts", "dev_prompts"))
    if spec.counts not in _COUNTED:
        raise SpecError(name, f"counts must be one of {', '.join(_COUNTED)}, not {spec.counts!r}")
    if bool(spec.prompts) == (spec.published is not None):
        raise SpecError(name, "either prompts or a [published] table was wanted")
    return spec


def prompts_of(spec: TaskSpec, split: str, local: Path | None = None) -> Prompts:
    """The prompts of a task: of its ``eval`` or ``dev`` split, or the user's copy of a set.

    Raises:
        DataError: they cannot be had.
    """
    if spec.published is not None:
        return published_prompts(spec.name, spec.published, local)
    return load_prompts(spec.prompts if split == "eval" else spec.dev_prompts)


def load_prompts(name: str) -> Prompts:
    """Read a packaged prompt set by name, or a file of the user's (``FILE.jsonl``, ``.csv``, ...).

    A row holds ``id`` and ``prompt``, and may hold ``hazard`` (else ``none``) and ``topic``; what
    else it holds (``pair`` in a look-alike: the harmful prompt it is like) is not read. Where no
    row of the user's has an id, rows are numbered.

    Raises:
            DataError: the file cannot be read, or a row lacks a text.
    """
    file = Path(name).expanduser()
    if _is_file(file):
        text = _own_text(file)
        return _checked(Prompts(file.name.split(".")[0], Text(text)), name)
    packaged = packaged_file(f"prompts/{name}.jsonl") if is_name(name) else None
    if packaged is None or not packaged.is_file():
        raise DataError(f"there is no prompt set {name!r}, and no file of that name")
    return _checked(Prompts(name, Text(packaged.read_text(encoding="utf-8"))), name)


def _is_file(path: Path) -> bool:
    """Whether a name is one of a file: by its ending, so that a missing one is said to be."""
    return path.name.removesuffix(".gz").lower().endswith(_ENDINGS)


def _own_text(file: Path) -> str:
    """A prompt file as JSON lines; one that is such already stays as it is, byte for byte."""
    held = read_user_file(file, what="prompt set")
    if all("id" in row for row in held.rows) and held.text:
        return held.text
    column = next((name for name in _TEXTS if name in held.rows[0]), "prompt")
    stem = file.name.split(".")[0]
    numbered = not any("id" in row for row in held.rows)
    lines = []
    for number, row in enumerate(held.rows, start=1):
        prompt = {key: row[key] for key in ("id", "hazard", "topic") if key in row}
        prompt["prompt"] = row.get(column)
        if numbered:
            prompt["id"] = f"{stem}-{number:03d}"
        lines.append(json.dumps(prompt, ensure_ascii=False, sort_keys=True))
    return "\n".join(lines) + "\n"


def _checked(held: Prompts, name: str) -> Prompts:
    if not held.prompts:
        raise DataError(f"prompt set {name} holds no prompts")
    return held
