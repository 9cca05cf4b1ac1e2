"""Prompt sets, and the tasks that say how their answers are counted."""

from dataclasses import dataclass

from lox_bench.data.stage import Prompts, parse_prompts
from lox_bench.engine.stage import Text
from lox_bench.registry import load_packaged, packaged_file


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


def load_prompts(name: str) -> Prompts:
    """Read a packaged prompt set by name."""
    text = packaged_file(f"prompts/{name}.jsonl").read_text(encoding="utf-8")
    parse_prompts(text, f"prompts/{name}.jsonl")
    return Prompts(name, Text(text))
