"""Answers as a stage: one model's words on one prompt set."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, TypeVar

from lox_bench.backends.backend import SERVED, Backend, Decoding, Opened
from lox_bench.backends.template import Template
from lox_bench.codec import read_records, write_records
from lox_bench.data.stage import Prompts, lineage, read_prompts
from lox_bench.engine.context import Context, Inputs
from lox_bench.engine.resources import Resources, answering
from lox_bench.engine.stage import LATER, Effort, Facts, Stage
from lox_bench.types import Finish

ANSWERS = "answers.jsonl"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """One text, as it came; ``tokens`` without the one that ended it."""

    prompt_id: str
    prompt: str
    text: str
    tokens: int
    finish: Finish


@dataclass(frozen=True, eq=False)
class Answers(Stage):
    """A model's answers to (some of) a prompt set, by one back end under one decoding.

    ``adapters`` and ``room``: see ``Opened``.
    """

    kind: ClassVar[str] = "answers"
    version: ClassVar[int] = 2  # 1 followed the generation config saved with the model

    model: Stage
    prompts: Prompts
    limit: int | None
    template: Template
    decoding: Decoding
    backend: Backend
    adapters: tuple[Stage, ...] = field(default=(), metadata=LATER)
    room: int = field(default=0, compare=False)
    label: str = field(default="", compare=False)  # as displays call it

    @property
    def opened(self) -> Opened:
        """Who answers."""
        return Opened(self.model, self.template, self.backend, self.adapters, self.room)

    @property
    def title(self) -> str:
        """Says whose answers, and to what."""
        return f"generate {self.label}"

    @property
    def affinity(self) -> str:
        """One loaded model serves all its prompt sets."""
        return self.opened.name

    @property
    def effort(self) -> Effort:
        """Tokens at most."""
        held = len(self.prompts.prompts)
        count = min(held, self.limit or held)
        return Effort(float(count * self.decoding.max_new_tokens), lineage(self.model))

    def resources(self, size: int) -> Resources:
        """A loaded model; a served one is asked from where keys and costs are kept."""
        served = self.backend.dtype == SERVED
        return Resources(network=True, home=True) if served else answering(size)

    def build(self, inputs: Inputs, out: Path, context: Context) -> Facts:
        """Answer every prompt; one JSON line each, in prompt order."""
        prompts = spread(read_prompts(inputs[self.prompts]), self.limit)
        generator = self.opened.generator(inputs, context)
        messages = [prompt.text for prompt in prompts]
        texts = self.decoding.asked(generator, messages, context.progress)
        answers = [
            Answer(prompt.id, prompt.text, item.text, item.tokens, item.finish)
            for prompt, item in zip(prompts, texts, strict=True)
        ]
        write_records(out / ANSWERS, answers)
        tokens = sum(answer.tokens for answer in answers)
        facts = {
            "tokens": tokens,
            "template_sha256": generator.template_hash,
            **getattr(generator, "facts", {}),
        }
        pinned = generator.pinned_date
        return {**facts, "pinned_date": pinned} if pinned else facts


def read_answers(folder: Path) -> list[Answer]:
    """The answers of a finished stage, in prompt order."""
    return read_records(folder / ANSWERS, Answer)


def spread(items: Sequence[T], limit: int | None) -> list[T]:
    """At most ``limit`` items, evenly spaced, so that a short run still meets every hazard."""
    if limit is None or limit >= len(items):
        return list(items)
    return [items[index * len(items) // limit] for index in range(limit)]
