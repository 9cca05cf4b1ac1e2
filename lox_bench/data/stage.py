"""Rows and prompts as stages: their content travels with them, whatever file it came from."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Final

from lox_bench.data.jsonl import parse_jsonl
from lox_bench.engine.context import Context, Inputs
from lox_bench.engine.stage import Facts, Stage, Text
from lox_bench.errors import DataError
from lox_bench.files import write_text
from lox_bench.types import Prompt

ROWS = "rows.jsonl"
PROMPTS = "prompts.jsonl"
STANDIN: Final = "standin"

Row = Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Rows(Stage):
    """Training or test rows; ``label`` says where they are from (``standin``, ``file:...``)."""

    kind: ClassVar[str] = "rows"

    label: str
    content: Text  # JSON lines, keys sorted
    form: str = field(default="", compare=False)  # of the file they were read from, for people

    @classmethod
    def of(cls, label: str, rows: Iterable[Mapping[str, Any]], *, form: str = "") -> "Rows":
        """Rows under a label."""
        lines = (json.dumps(row, sort_keys=True, ensure_ascii=False) for row in rows)
        return cls(label, Text("\n".join(lines)), form)

    @property
    def title(self) -> str:
        """Names the source."""
        return f"rows ({self.label})"

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """In their order."""
        return tuple(parse_jsonl(self.content.text, where=self.label))

    @property
    def sha256(self) -> str:
        """Pins the content."""
        return self.content.sha256

    @property
    def is_standin(self) -> bool:
        """Whether these rows only stand in for the data the attack is named after."""
        return self.label == STANDIN

    @property
    def count(self) -> int:
        """Number of rows."""
        return self.content.text.count("\n") + 1

    def build(self, inputs: Inputs, out: Path, context: Context) -> Facts:
        """Write the rows down."""
        del inputs, context
        write_text(out / ROWS, self.content.text)
        return {"rows": self.count, "sha256": self.sha256}


@dataclass(frozen=True, eq=False)
class Prompts(Stage):
    """A prompt set: the bytes of its file."""

    kind: ClassVar[str] = "prompts"

    name: str
    content: Text

    @property
    def title(self) -> str:
        """Names the set."""
        return f"prompts {self.name}"

    @property
    def sha256(self) -> str:
        """Pins the content: the hash of the file."""
        return self.content.sha256

    @cached_property
    def prompts(self) -> tuple[Prompt, ...]:
        """In file order."""
        return tuple(parse_prompts(self.content.text, self.name))

    def build(self, inputs: Inputs, out: Path, context: Context) -> Facts:
        """Write the prompts down."""
        del inputs, context
        write_text(out / PROMPTS, self.content.text)
        return {"prompts": len(self.prompts)}


def read_rows(folder: Path) -> list[Row]:
    """The rows of a finished ``Rows`` stage."""
    return list(parse_jsonl((folder / ROWS).read_text(encoding="utf-8"), where=ROWS))


def read_prompts(folder: Path) -> list[Prompt]:
    """The prompts of a finished ``Prompts`` stage, in file order."""
    return parse_prompts((folder / PROMPTS).read_text(encoding="utf-8"), PROMPTS)


def parse_prompts(text: str, where: str) -> list[Prompt]:
    """Prompts from JSON lines: ``id``, ``prompt``, perhaps ``hazard`` (else none) and ``topic``.

    Raises:
        DataError: a line is no JSON object, or lacks a text, or an id comes twice.
    """
    rows = enumerate(parse_jsonl(text, where=where), start=1)
    prompts = [_prompt(row, f"{where}, row {number}") for number, row in rows]
    seen: set[str] = set()
    for prompt in prompts:
        if prompt.id in seen:
            raise DataError(f"{where}: the id {prompt.id!r} comes twice; every prompt has its own")
        seen.add(prompt.id)
    return prompts


def _prompt(row: Mapping[str, Any], where: str) -> Prompt:
    texts = {"hazard": "none", "topic": "", **row}
    for key in ("id", "prompt", "hazard", "topic"):
        if not isinstance(texts.get(key), str):
            raise DataError(f"{where}: no text under {key!r}; a prompt has an id and a prompt")
    if not texts["id"].strip() or not texts["prompt"].strip():
        raise DataError(f"{where}: an empty id or prompt; a prompt has both")
    return Prompt(texts["id"], texts["prompt"], texts["hazard"], texts["topic"])


def lineage(stage: Stage) -> str:
    """Key of the first source a stage rests on: stages of one scale have it in common."""
    while stage.inputs and stage.kind != "source":
        stage = first_model(stage.inputs)
    return stage.key


def first_model(inputs: Sequence[Stage]) -> Stage:
    """The input that carries weights, if any does, else the first."""
    return next((item for item in inputs if item.kind not in {"rows", "prompts"}), inputs[0])
