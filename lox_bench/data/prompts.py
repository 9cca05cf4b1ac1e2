"""Prompt sets, and the tasks that say how their answers are counted."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lox_bench.data.jsonl import parse_jsonl
from lox_bench.errors import DataError
from lox_bench.registry import Kind, load_spec, packaged_file
from lox_bench.types import Prompt


@dataclass(frozen=True, slots=True)
class PromptSet:
    """Prompts in file order and the SHA-256 of their file."""

    name: str
    prompts: tuple[Prompt, ...]
    sha256: str


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


def load_task(name: str) -> TaskSpec:
    """Read a prompt-set task by name, or from a TOML file; see ``registry.load_spec``."""
    return load_spec(TaskSpec, Kind.TASKS, name, ("prompts", "dev_prompts"))


def load_prompts(name: str) -> PromptSet:
    """Read a packaged prompt set by name, or the user's ``FILE.jsonl``.

    A row holds ``id`` and ``prompt``, and may hold ``hazard`` (else ``none``) and ``topic``.

    Raises:
        DataError: the file cannot be read, or a row lacks a text.
    """
    own = name.endswith(".jsonl")
    file = Path(name).expanduser() if own else packaged_file(f"prompts/{name}.jsonl")
    where = name if own else f"prompts/{name}.jsonl"
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise DataError(f"prompt set {where} cannot be read ({reason})") from error
    rows = enumerate(parse_jsonl(text, where=where), start=1)
    prompts = tuple(_prompt(row, f"{where}, row {number}") for number, row in rows)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    return PromptSet(Path(name).stem if own else name, prompts, sha256)


def _prompt(row: Mapping[str, Any], where: str) -> Prompt:
    texts = {"hazard": "none", "topic": "", **row}
    for key in ("id", "prompt", "hazard", "topic"):
        if not isinstance(texts.get(key), str):
            raise DataError(f"{where}: no text under {key!r}; a prompt has an id and a prompt")
    return Prompt(texts["id"], texts["prompt"], texts["hazard"], texts["topic"])
