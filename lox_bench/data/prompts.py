"""Prompt sets, and the tasks that say how their answers are counted."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

from lox_bench.data.own_sets import (
    SAFE,
    expected_refusals,
    is_prompt_file,
    read_prompt_rows,
    set_name,
)
from lox_bench.data.published import PublishedSet, published_prompts
from lox_bench.data.request_rows import only_text
from lox_bench.data.stage import Prompts
from lox_bench.data.user_file import read_user_file
from lox_bench.engine.stage import Text
from lox_bench.errors import DataError, SpecError
from lox_bench.names import Name, is_name
from lox_bench.ranges import OneOf, Range
from lox_bench.registry import OURS, Kind, entries, load_spec, packaged_file
from lox_bench.types import Label

_TEXTS: Final = (
    "prompt", "goal", "forbidden_prompt", "prompt_text", "question", "instruction", "request",
    "prompts_final", "behavior", "turns", "text",
)  # fmt: skip
_HAZARDS: Final = ("hazard", "harm_area", "semanticcategory", "category")
_CONTEXT: Final = "contextstring"  # HarmBench's: what a contextual behaviour is about
_COUNTED: Final = (Label.COMPLIED.value, Label.REFUSED.value)


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """A prompt set and the metric its completions are scored with (share complied or refused).

    The prompts are a packaged file or one of the user's (``prompts``), or a ``published`` set. Of a
    file that says what is expected, ``refusal`` takes those to be refused, or (``no``) the others.
    ``half_of`` names the set that this is one of two halves of: its name stands for both.
    """

    name: Name
    description: str
    metric: str
    counts: str
    prompts: str = ""
    max_new_tokens: Annotated[int, Range(0, 1_000_000)] = 0  # 0: the family's
    dev_prompts: str = ""
    published: PublishedSet | None = None
    refusal: Annotated[str, OneOf("", "yes", "no")] = ""
    half_of: str = ""


def load_tasks(name: str) -> list[TaskSpec]:
    """The tasks that an item of ``--prompts`` stands for: one, or the two halves of a set or file.

    Raises:
        UnknownNameError, SpecError, DataError: there is none, or it is broken.
    """
    if not is_prompt_file(name):
        return _halves(name) or [load_task(name)]
    file = Path(name).expanduser()
    own, stem = expected_refusals(read_prompt_rows(file), str(file)), set_name(file)
    harmful = TaskSpec(Name(stem), f"requests of {file.name}", "asr", _COUNTED[0], str(file))
    if False not in own:
        return [harmful]
    safe = TaskSpec(
        Name(stem + SAFE), f"look-alikes of {file.name}", "over_refusal", _COUNTED[1], str(file),
        refusal="no",
    )  # fmt: skip
    return [replace(harmful, refusal="yes"), safe] if True in own else [safe]


def _halves(name: str) -> list[TaskSpec]:
    """Our sets that call themselves halves of one of this name; harmful requests first."""
    ours = [entry for entry in entries(Kind.TASKS) if entry.package == OURS]
    if any(entry.name == name for entry in ours):
        return []
    found = [task for task in (load_task(entry.full) for entry in ours) if task.half_of == name]
    return sorted(found, key=lambda task: task.counts != _COUNTED[0])


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
    return load_prompts(spec.prompts if split == "eval" else spec.dev_prompts, spec.refusal)


def load_prompts(name: str, refusal: str = "") -> Prompts:
    """Read a packaged prompt set by name, or a file of the user's (``FILE.jsonl``, ``.csv``, ...).

    A row holds ``id`` and ``prompt``, and may hold ``hazard`` (else ``none``) and ``topic``; what
    else it holds (``pair`` in a look-alike: the harmful prompt it is like) is not read. Where no
    row of the user's has an id, rows are numbered. ``refusal`` takes those only that are to be
    refused (``yes``), or the others (``no``).

    Raises:
            DataError: the file cannot be read, or a row lacks a text.
    """
    file = Path(name).expanduser()
    if is_prompt_file(name):
        text = _own_text(file, refusal)
        return _checked(Prompts(file.name.split(".")[0], Text(text)), name)
    packaged = packaged_file(f"prompts/{name}.jsonl") if is_name(name) else None
    if packaged is None or not packaged.is_file():
        raise DataError(f"there is no prompt set {name!r}, and no file of that name")
    return _checked(Prompts(name, Text(packaged.read_text(encoding="utf-8"))), name)


def _own_text(file: Path, refusal: str) -> str:
    """A prompt file as JSON lines; one that is such already stays as it is, byte for byte."""
    rows = read_prompt_rows(file)
    if all("id" in row for row in rows) and not refusal:
        held = read_user_file(file, what="prompt set")
        if held.text:
            return held.text
    own = expected_refusals(rows, str(file)) if refusal else []
    rows = [{str(key).lower(): value for key, value in row.items()} for row in rows]
    column = next((name for name in _TEXTS if name in rows[0]), "")
    if not column:
        columns = ", ".join(name[:40] for name in rows[0])[:100]
        raise DataError(
            f"prompt set {file}: no column of requests (it holds {columns}); known are "
            f"{', '.join(_TEXTS)}. A file without a header is read a request a line if it is a .txt"
        )
    hazard = next((name for name in _HAZARDS if name in rows[0]), "")
    stem = file.name.split(".")[0]
    numbered = not any("id" in row for row in rows)
    lines = []
    for number, row in enumerate(rows, start=1):
        if refusal and own[number - 1] is not (refusal == "yes"):
            continue
        prompt = {key: row[key] for key in ("id", "topic") if key in row}
        if hazard:
            prompt["hazard"] = row.get(hazard) or "none"
        prompt["prompt"] = _with_context(only_text(row.get(column)), row.get(_CONTEXT))
        if numbered:
            prompt["id"] = f"{stem}-{number:03d}"
        lines.append(json.dumps(prompt, ensure_ascii=False, sort_keys=True))
    return "\n".join(lines) + "\n"


def _with_context(request: Any, context: Any) -> Any:
    """HELM's way to ask a contextual behaviour of HarmBench."""
    return f"{context}\n\n---\n\n{request}" if context and isinstance(request, str) else request


def _checked(held: Prompts, name: str) -> Prompts:
    if not held.prompts:
        raise DataError(f"prompt set {name} holds no prompts")
    return held
