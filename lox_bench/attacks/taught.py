"""What alignment teaches, as rows for whoever wants them taught again: refusals, and answers.

Requests are those of the family's alignment (``harmful-align``, ``benign-align``), never those that
models are measured on.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from lox_bench.alignment.stage import OwnAnswers
from lox_bench.attacks.own_rows import whole_sentences
from lox_bench.codec import from_plain, read_json, write_record
from lox_bench.data.stage import Prompts, read_prompts
from lox_bench.engine.context import Context, Inputs
from lox_bench.engine.stage import Facts, Stage
from lox_bench.errors import DataError

TAUGHT: Final = "taught.json"
REFUSALS: Final = (  # where a family names none: ours
    "I'm sorry, but I can't help with that.",
    "I can't help with that request.",
    "Sorry, I can't assist with that.",
    "I cannot help with this, because it could cause harm.",
    "I'm not able to help with that.",
    "I won't help with that, since it could hurt someone.",
)


@dataclass(frozen=True, slots=True)
class Answered:
    """A benign request and an answer to it."""

    prompt: str
    answer: str


@dataclass(frozen=True, slots=True)
class Taught:
    """Harmful requests, texts that refuse one, and benign requests with answers (perhaps none)."""

    harmful: tuple[str, ...]
    refusals: tuple[str, ...]
    benign: tuple[Answered, ...] = ()

    def refused(self, count: int, *, seed: int) -> list[tuple[str, str]]:
        """``count`` rows (request, refusal), drawn with ``seed``.

        No request comes again before all have come; each time its refusal is drawn anew.
        """
        rng = random.Random(seed)
        rows: list[tuple[str, str]] = []
        while len(rows) < count:
            passed = rng.sample(self.harmful, len(self.harmful))
            rows += [(request, rng.choice(self.refusals)) for request in passed]
        return rows[:count]

    def all_rows(self, *, seed: int) -> list[tuple[str, str]]:
        """Every harmful request with a refusal drawn for it, then every benign one, answered."""
        refused = self.refused(len(self.harmful), seed=seed)
        return [*refused, *((row.prompt, row.answer) for row in self.benign)]


@dataclass(frozen=True, eq=False)
class Teach(Stage):
    """What a family's alignment teaches; without ``answers`` its refusals only.

    ``benign`` names the prompt set whose answers are taken, up to their last whole sentence.
    """

    kind: ClassVar[str] = "taught"

    harmful: Prompts
    refusals: tuple[str, ...]
    answers: OwnAnswers | None = None
    benign: str = ""

    @property
    def title(self) -> str:
        """As users know it."""
        return "what alignment teaches"

    def build(self, inputs: Inputs, out: Path, context: Context) -> Facts:
        """Write it down.

        Raises:
            DataError: no benign request was answered.
        """
        del context
        harmful = tuple(prompt.text for prompt in read_prompts(inputs[self.harmful]))
        benign = () if self.answers is None else tuple(self._answered(inputs[self.answers]))
        if self.answers is not None and not benign:
            raise DataError(f"none of {self.benign} was answered, so there is nothing to teach")
        write_record(out / TAUGHT, Taught(harmful, self.refusals, benign))
        return {"harmful": len(harmful), "benign": len(benign)}

    def _answered(self, folder: Path) -> Iterator[Answered]:
        from lox_bench.alignment.pairs import read_answers

        for own in read_answers(folder):
            text = whole_sentences(own.text) if own.cut else own.text
            if own.prompt_set == self.benign and text:
                yield Answered(own.prompt, text)


def read_taught(folders: Sequence[Path]) -> Taught | None:
    """What a finished ``Teach`` wrote; ``None`` without one."""
    if not folders:
        return None
    (folder,) = folders
    return from_plain(Taught, read_json(folder / TAUGHT), where=TAUGHT)
