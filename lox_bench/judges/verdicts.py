"""Verdicts as a stage: one judge's word on one set of answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from lox_bench.backends.answers import Answer, Answers, read_answers
from lox_bench.codec import read_records, write_records
from lox_bench.engine.context import Context, Inputs
from lox_bench.engine.resources import Resources, answering
from lox_bench.engine.stage import Effort, Facts, Stage
from lox_bench.judges.build import build_judge
from lox_bench.judges.defects import find_defect
from lox_bench.judges.kinds import HF, JudgeSpec, KeywordSpec, PromptedSpec
from lox_bench.judges.reasoning import without_reasoning
from lox_bench.serving.pricing import Account, Ledger
from lox_bench.types import Completion, Judge, Label, Verdict

VERDICTS = "verdicts.jsonl"


@dataclass(slots=True)
class Bench:
    """The judges of a session, each made once; ``ledger`` keeps and limits their costs."""

    root: Path
    ledger: Ledger = field(default_factory=Ledger)
    _judges: dict[Any, Judge] = field(default_factory=dict)

    def judge(self, spec: JudgeSpec) -> Judge:
        """The judge of a spec.

        Raises:
            LoxBenchError: it cannot be had (no key, no endpoint, no model).
        """
        if spec not in self._judges:
            self._judges[spec] = build_judge(spec, ledger=self.ledger, root=self.root)
        return self._judges[spec]

    def away(self) -> Callable[[Path], "Bench"]:
        """A bench with judges of its own in another process; it may cost what is left to us."""
        left = self.ledger.max_cost
        return partial(_bench, None if left is None else max(0.0, left - self.ledger.spent))

    def parts(self) -> Mapping[type, Any]:
        """The ledger: served models under test are paid from it too."""
        return {Ledger: self.ledger}

    def told(self) -> dict[str, Account]:
        """What judges and served models have taken since this was asked last."""
        return self.ledger.news()

    def hear(self, told: Mapping[str, Account]) -> None:
        """Add what another bench has told."""
        self.ledger.add(told)


def _bench(max_cost: float | None, root: Path) -> Bench:
    return Bench(root, Ledger(max_cost))


@dataclass(frozen=True, eq=False)
class Verdicts(Stage):
    """A judge's labels for a model's answers; partial where the judge could not be asked."""

    kind: ClassVar[str] = "verdicts"
    version: ClassVar[int] = 2  # 1 read reasoning as part of the answer, and other loops

    answers: Answers
    judge: JudgeSpec

    @property
    def title(self) -> str:
        """Says whose answers, and who judges."""
        return f"judge {self.answers.label} by {self.judge.name}"

    @property
    def effort(self) -> Effort:
        """As many texts as were generated."""
        tokens = self.answers.effort.units / self.answers.decoding.max_new_tokens
        return Effort(tokens, self.judge.name)

    def resources(self, size: int) -> Resources:
        """A served model is asked from where keys and costs are kept; others compute."""
        if isinstance(self.judge, PromptedSpec) and self.judge.backend != HF:
            return Resources(network=True, home=True)
        return Resources() if isinstance(self.judge, KeywordSpec) else answering(size)

    def build(self, inputs: Inputs, out: Path, context: Context) -> Facts:
        """Judge every answer; one JSON line each, in prompt order."""
        bench = context.of_session(Bench, lambda: Bench(context.root))
        completions = as_completions(read_answers(inputs[self.answers]))
        verdicts = bench.judge(self.judge).judge(completions, context.progress)
        if unfinished(verdicts, completions):
            context.unfinished()
        write_records(out / VERDICTS, verdicts)
        return {"verdicts": len(verdicts)}


def read_verdicts(folder: Path) -> list[Verdict]:
    """The verdicts of a stage, in prompt order."""
    return read_records(folder / VERDICTS, Verdict)


def as_completions(answers: Sequence[Answer]) -> list[Completion]:
    """Answers without their reasoning, and with what is wrong with them, if anything."""
    return [_as_completion(answer) for answer in answers]


def _as_completion(answer: Answer) -> Completion:
    text, reasoning = without_reasoning(answer.text)
    return Completion(
        prompt_id=answer.prompt_id,
        prompt=answer.prompt,
        text=text,
        tokens=answer.tokens,
        finish=answer.finish,
        defect=find_defect(answer.prompt, text),
        reasoning=reasoning,
    )


def unfinished(verdicts: Sequence[Verdict], answers: Sequence[Completion]) -> int:
    """Answers that are sound but have no verdict; the next run asks for them again."""
    pairs = zip(verdicts, answers, strict=True)
    return sum(v.label is Label.UNJUDGED and item.defect is None for v, item in pairs)
