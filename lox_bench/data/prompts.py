"""Prompt sets, and the tasks that say how their answers are counted."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lox_bench.data.stage import Prompts
from lox_bench.engine.stage import Text
from lox_bench.errors import DataError, SpecError
from lox_bench.names import Name
from lox_bench.ranges import Tokens
from lox_bench.registry import Kind, load_spec, packaged_file
from lox_bench.types import Label

_COUNTED: Final = (Label.COMPLIED.value, Label.REFUSED.value)


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """A prompt set and the metric its completions are scored with (share complied or refused)."""

    name: Name
    description: str
    prompts: str
    metric: str
    counts: str
    max_new_tokens: Tokens
    dev_prompts: str = ""


def load_task(name: str) -> TaskSpec:
    """Read a prompt-set task by name, or from a TOML file; see ``registry.load_spec``.

    Raises:
        SpecError: besides, it counts neither compliance nor refusals.
    """
    spec = load_spec(TaskSpec, Kind.TASKS, name, ("prompts", "dev_prompts"))
    if spec.counts not in _COUNTED:
        raise SpecError(name, f"counts must be one of {', '.join(_COUNTED)}, not {spec.counts!r}")
    return spec


def load_prompts(name: str) -> Prompts:
    """Read a packaged prompt set by name, or the user's ``FILE.jsonl``.

    A row holds ``id`` and ``prompt``, and may hold ``hazard`` (else ``none``) and ``topic``; what
    else it holds (``pair`` in a look-alike: the harmful prompt it is like) is not read.

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
    held = Prompts(Path(name).stem if own else name, Text(text))
    if not held.prompts:
        raise DataError(f"prompt set {where} holds no prompts")
    return held
