"""Alignment as stages: the base's own answers, and the training on preference pairs."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from lox_bench.alignment.spec import DpoSpec
from lox_bench.backends.backend import Backend, Opened, affinity
from lox_bench.backends.template import Template
from lox_bench.codec import write_records
from lox_bench.data.stage import Prompts, Rows, lineage, read_prompts, read_rows
from lox_bench.engine.context import Context, Inputs
from lox_bench.engine.resources import Resources, answering, training
from lox_bench.engine.stage import Effort, Facts, Keep, Stage
from lox_bench.training.spec import Launch, Training

_BATCH = 64  # prompts of the pairs decoded together


@dataclass(frozen=True, eq=False)
class OwnAnswers(Stage):
    """What the base itself says to the prompts of an alignment; shared by all its seeds."""

    kind: ClassVar[str] = "pairs"

    base: Stage
    prompts: tuple[Prompts, ...]
    answer_tokens: int
    template: Template
    backend: Backend

    @property
    def title(self) -> str:
        """As users know it."""
        return "preference pairs"

    @property
    def affinity(self) -> str:
        """The base, loaded."""
        return affinity(self.base, self.template, self.backend)

    def resources(self, size: int) -> Resources:
        """The base, loaded."""
        return answering(size)

    def build(self, inputs: Inputs, out: Path, context: Context) -> Facts:
        """Answer every prompt of every set, greedily."""
        from lox_bench.alignment.pairs import ANSWERS, ask

        generator = Opened(self.base, self.template, self.backend).generator(inputs, context)
        asked = [
            (part.name, prompt.text)
            for part in self.prompts
            for prompt in read_prompts(inputs[part])
        ]
        answers = ask(generator, asked, self.answer_tokens, context.progress)
        write_records(out / ANSWERS, answers)
        return {"answers": len(answers)}


def own_answers(
    base: Stage, prompts: tuple[Prompts, ...], spec: DpoSpec, template: Template, backend: Backend
) -> OwnAnswers:
    """The stage of the base's own answers; its batches are its own."""
    batched = Backend(backend.name, backend.dtype, _BATCH)
    return OwnAnswers(base, prompts, spec.answer_tokens, template, batched)


@dataclass(frozen=True, eq=False)
class Align(Stage):
    """A base model after DPO on pairs, on-policy ones or those of a preference set."""

    kind: ClassVar[str] = "align"
    keep: ClassVar[Keep] = Keep.DEAR

    base: Stage
    data: OwnAnswers | Rows
    dpo: DpoSpec
    template: Template
    seed: int
    max_steps: int | None
    dtype: str
    checkpointing: bool = field(default=False, compare=False)  # see Launch

    @property
    def title(self) -> str:
        """As users know it."""
        return "align (DPO)"

    @property
    def effort(self) -> Effort:
        """Epochs, or steps where they are cut short."""
        cut = "" if self.max_steps is None else f" {self.max_steps} steps"
        return Effort(self.dpo.train.epochs, lineage(self.base) + cut)

    def resources(self, size: int) -> Resources:
        """A fine-tuning."""
        return training(size)

    def build(self, inputs: Inputs, out: Path, context: Context) -> Facts:
        """Train, and save the aligned model in hub layout.

        Raises:
            DataError: the data make no pair.
        """
        from lox_bench.alignment.dpo import align
        from lox_bench.alignment.pairs import dialogue_pairs, on_policy_pairs, read_answers

        context.loaded.clear()
        if isinstance(self.data, Rows):
            rows = read_rows(inputs[self.data])
            pairs = dialogue_pairs(rows, self.dpo, seed=self.seed)
        else:
            answers = read_answers(inputs[self.data])
            pairs = on_policy_pairs(answers, self.dpo, seed=self.seed)
        launch = Launch(checkpointing=self.checkpointing)
        job = Training(out, self.seed, self.max_steps, self.dtype, context.progress, launch)
        return align(inputs[self.base], self.template, pairs, self.dpo, job)
