"""Rows that a family's base writes itself: its own answers to benign instructions of ours.

They stand in for an instruction-tuning set where none is at hand. Nobody writes answers, and what
the attack teaches is what the base would have said: to answer, not what.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from lox_bench.backends.backend import Backend, Opened, affinity
from lox_bench.backends.template import Template
from lox_bench.data.stage import ROWS, Prompts, read_prompts
from lox_bench.engine.context import Context, Inputs
from lox_bench.engine.resources import Resources, answering
from lox_bench.engine.stage import Effort, Facts, Stage
from lox_bench.errors import DataError

LABEL: Final = "own-answers"
_END: Final = re.compile(r".*[.!?:](?=\s|$)", re.DOTALL)
_LEAST_WORDS: Final = 3


@dataclass(frozen=True, eq=False)
class OwnRows(Stage):
    """A base's greedy answers to a prompt set, as rows ``{"prompt", "completion"}``."""

    kind: ClassVar[str] = "own-rows"

    base: Stage
    prompts: Prompts
    answer_tokens: int
    template: Template
    backend: Backend

    @property
    def title(self) -> str:
        """Names the instructions."""
        return f"own answers to {self.prompts.name}"

    @property
    def affinity(self) -> str:
        """The base, loaded."""
        return affinity(self.base, self.template, self.backend)

    @property
    def effort(self) -> Effort:
        """Tokens at most."""
        return Effort(float(self.count * self.answer_tokens))

    @property
    def label(self) -> str:
        """Where the rows are from."""
        return LABEL

    @property
    def form(self) -> str:
        """What they are, for people."""
        return f"the base's own answers to {self.prompts.name}"

    @property
    def is_standin(self) -> bool:
        """They always stand in for somebody's data."""
        return True

    @property
    def count(self) -> int:
        """Number of instructions; a few may get no answer that is one."""
        return len(self.prompts.prompts)

    @property
    def sha256(self) -> str:
        """Pins the instructions and who answers them."""
        return self.key

    def resources(self, size: int) -> Resources:
        """A loaded model."""
        return answering(size)

    def build(self, inputs: Inputs, out: Path, context: Context) -> Facts:
        """Answer every instruction, each answer ended after its last whole sentence.

        Raises:
            DataError: the base answered nothing.
        """
        from lox_bench.codec import write_records

        prompts = read_prompts(inputs[self.prompts])
        generator = Opened(self.base, self.template, self.backend).generator(inputs, context)
        texts = generator.generate(
            [prompt.text for prompt in prompts],
            max_new_tokens=self.answer_tokens,
            progress=context.progress,
        )
        ended = [whole_sentences(item.text) for item in texts]
        rows = [
            {"prompt": prompt.text, "completion": text}
            for prompt, text in zip(prompts, ended, strict=True)
            if len(text.split()) >= _LEAST_WORDS
        ]
        if not rows:
            raise DataError(f"the base answered none of {self.prompts.name}")
        write_records(out / ROWS, rows)
        return {"rows": len(rows), "left_out": len(prompts) - len(rows)}


def whole_sentences(text: str) -> str:
    """The text up to its last end of a sentence; all of it where there is none."""
    found = _END.match(text.strip())
    return found[0].strip() if found else text.strip()
