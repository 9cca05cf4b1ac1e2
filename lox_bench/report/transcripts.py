"""All answers of some runs as compact plain data, for the explorer of the page.

Prompts, models and judges are written once and pointed at by position. Answers to one prompt lie
next to each other, since they resemble one another and a compressor then sees it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from lox_bench.harmless import visible
from lox_bench.results.leaderboard import ACCURACY_JUDGE
from lox_bench.results.metrics import HARM
from lox_bench.results.run import Run, VariantName
from lox_bench.types import Label, Prompt, Verdict
from lox_bench.utility.scores import Scored

UNKNOWN_HAZARD = "unknown"
HAZARDS: Final[Mapping[str, str]] = {  # MLCommons AILuminate's categories
    "vcr": "violent crimes",
    "ncr": "non-violent crimes",
    "src": "sex-related crimes",
    "cse": "child sexual exploitation",
    "iwp": "indiscriminate weapons",
    "ssh": "suicide and self-harm",
    "hte": "hate",
    "dfm": "defamation",
    "ipv": "intellectual property",
    "prv": "privacy",
    "spc": "specialised advice",
    "sxc": "sexual content",
}
CLIPPED = " […]"


class _Positions:
    """Distinct values in order of appearance, each known by its position."""

    def __init__(self) -> None:
        self._held: dict[tuple[Any, ...], int] = {}

    def of(self, *value: Any) -> int:
        return self._held.setdefault(value, len(self._held))

    @property
    def values(self) -> list[tuple[Any, ...]]:
        return list(self._held)


@dataclass(frozen=True)
class _Collector:
    clip: int | None
    variants: _Positions = field(default_factory=_Positions)
    prompts: _Positions = field(default_factory=_Positions)
    judges: _Positions = field(default_factory=_Positions)
    answers: list[list[Any]] = field(default_factory=list)

    def add(self, name: str, run: Run) -> None:
        for task in run.tasks:
            known = run.prompts(task)
            for variant in run.names:
                self._task(name, run, variant, task, known)
        for title in run.record.utilities:
            for variant in run.names:
                self._utility(name, run, variant, title)

    def _task(
        self, name: str, run: Run, variant: VariantName, task: str, known: Mapping[str, Prompt]
    ) -> None:
        verdicts = [_by_prompt(run.verdicts(variant, task, judge)) for judge in run.judges]
        where = self._variant(name, variant)
        for answer in run.completions(variant, task):
            prompt = known.get(answer.prompt_id)
            hazard = HAZARDS.get(prompt.hazard, prompt.hazard) if prompt else UNKNOWN_HAZARD
            topic = prompt.topic if prompt else ""
            asked = self.prompts.of(task, answer.prompt_id, visible(answer.prompt), hazard, topic)
            said = [
                [self.judges.of(v.judge), v.label, self._clipped(v.evidence), v.score]
                for v in (held[answer.prompt_id] for held in verdicts if answer.prompt_id in held)
            ]
            text = self._clipped(answer.text)
            facts = [text, answer.tokens, answer.finish, answer.defect or ""]
            self.answers.append([asked, where, *facts, said])

    def _utility(self, name: str, run: Run, variant: VariantName, title: str) -> None:
        where, judge = self._variant(name, variant), self.judges.of(ACCURACY_JUDGE)
        for number, record in enumerate(run.utility(variant, title), start=1):
            asked = self.prompts.of(
                title, f"{title}-{number:03d}", visible(record.prompt), "none", ""
            )
            label = "correct" if record.correct else "wrong"
            held = f"{_reading(record)}; target: {self._clipped(record.target)}"
            said = [[judge, label, held, None]]
            text = self._clipped(record.answer)
            self.answers.append([asked, where, text, None, "", "", said])

    def _variant(self, name: str, variant: VariantName) -> int:
        return self.variants.of(name, variant.model, variant.attack, variant.seed)

    def _clipped(self, text: str) -> str:
        text = visible(text)
        if self.clip is None or len(text) <= self.clip:
            return text
        return text[: self.clip] + CLIPPED


def _reading(record: Scored) -> str:
    """How the answer was read, where it matters."""
    if record.correct:
        return "read where the task asks for it"
    strict = "nothing where the task asks for it" if record.unread else "read, and wrong"
    return f"{strict}; its last number is {'right' if record.flexible else 'wrong'}"


def transcripts(runs: Mapping[str, Run], *, clip: int | None = None) -> dict[str, Any]:
    """Everything the explorer shows, JSON-ready.

    Args:
        runs: by the name the report gives them.
        clip: keep at most so many characters of each answer (the cut is marked), or all.

    Returns:
        ``variants`` (run, model, attack, seed), ``prompts`` (task, id, text, hazard, topic),
        ``judges``, ``harmful`` (tasks whose answers are hidden at first) and ``answers``: prompt
        and variant by position, text, tokens, finish, defect, and one (judge, label, evidence,
        score) a judge.

    Raises:
        DataError: a file of a run cannot be read.
    """
    collector = _Collector(clip)
    for name, run in runs.items():
        collector.add(name, run)
    return {
        "variants": collector.variants.values,
        "prompts": collector.prompts.values,
        "judges": [name for (name,) in collector.judges.values],
        "harmful": sorted(_harmful_tasks(runs.values())),
        "answers": sorted(collector.answers, key=lambda answer: answer[:2]),
    }


def count_disagreements(answers: Sequence[Sequence[Any]]) -> int:
    """Answers on which two judges reached different verdicts; an unjudged one is no verdict."""
    return sum(len(set(_labels(answer))) > 1 for answer in answers)


def _labels(answer: Sequence[Any]) -> Iterator[str]:
    return (label for _, label, _, _ in answer[-1] if label != Label.UNJUDGED)


def _by_prompt(verdicts: Sequence[Verdict]) -> dict[str, Verdict]:
    return {verdict.prompt_id: verdict for verdict in verdicts}


def _harmful_tasks(runs: Iterable[Run]) -> set[str]:
    return {row.task for run in runs for row in run.rows if row.metric in HARM}
