"""Prompt sets, and the tasks that say how their answers are counted."""

import hashlib
from dataclasses import dataclass

from lox_bench.data.jsonl import parse_jsonl
from lox_bench.registry import load_packaged, packaged_file
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
    """Read a prompt-set task by name."""
    return load_packaged(TaskSpec, "tasks", "task", name)


def load_prompts(name: str) -> PromptSet:
    """Read a packaged prompt set by name."""
    text = packaged_file(f"prompts/{name}.jsonl").read_text(encoding="utf-8")
    rows = parse_jsonl(text, where=f"prompts/{name}.jsonl")
    prompts = tuple(
        Prompt(id=row["id"], text=row["prompt"], hazard=row["hazard"], topic=row["topic"])
        for row in rows
    )
    return PromptSet(name=name, prompts=prompts, sha256=hashlib.sha256(text.encode()).hexdigest())
