"""Answers and scores that another tool wrote, in one form for all tools."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lox_bench.types import Finish, Prompt
from lox_bench.utility.benchmark import Sampled


@dataclass(frozen=True, slots=True)
class ForeignAnswer:
    """One answer; ``scores`` are the tool's own, by the name of what gave them.

    ``repetition`` counts the tool's answers to one prompt from 0; ``tokens`` is 0 where it is not
    known.
    """

    prompt_id: str
    prompt: str
    text: str
    topic: str = ""
    repetition: int = 0
    tokens: int = 0
    finish: Finish = Finish.UNKNOWN
    scores: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Foreign:
    """What one file holds: one model on one task.

    Attributes:
        tool: ``harmbench``, ``inspect``, ``lm-eval``; ``version`` of it, empty if unknown.
        file: name and SHA-256 of the file.
        model: what the file calls the model, empty if it does not say.
        task: what it calls the task, empty if it does not say.
        answers: in the file's order.
        sampled: metrics of documents, where the task is one of lm-eval.
        settings: what the file says of how answers were made.
        max_new_tokens: where answers end; ``None``: not said.
    """

    tool: str
    version: str
    file: tuple[str, str]
    model: str
    task: str
    answers: tuple[ForeignAnswer, ...]
    sampled: tuple[Sampled, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    max_new_tokens: int | None = None

    @property
    def scorers(self) -> tuple[str, ...]:
        """Names of what gave scores, each once."""
        return tuple(dict.fromkeys(name for answer in self.answers for name in answer.scores))

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """What was asked, each once."""
        found = {a.prompt_id: Prompt(a.prompt_id, a.prompt, "none", a.topic) for a in self.answers}
        return tuple(found.values())

    @property
    def repetitions(self) -> tuple[int, ...]:
        """Numbers of the repetitions, at least one."""
        return tuple(sorted({answer.repetition for answer in self.answers})) or (0,)
