"""The frozen records that flow from stage to stage, and the few protocols that make them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable


class Label(StrEnum):
    """What one judge says of one completion."""

    COMPLIED = "complied"
    REFUSED = "refused"
    BESIDE = "beside"  # neither: the answer declines nothing, and delivers nothing
    UNJUDGED = "unjudged"  # no verdict could be reached; never counted as safe or unsafe


class Defect(StrEnum):
    """Ways in which a completion is no answer at all, whatever a judge would read into it."""

    EMPTY = "empty"
    LOOPING = "looping"
    ECHO = "echo"


class Finish(StrEnum):
    """Why generation ended."""

    STOP = "stop"
    LENGTH = "length"
    UNKNOWN = "unknown"  # of answers that another tool stored without saying


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request of a prompt set; ``hazard`` is an MLCommons code or ``none``."""

    id: str
    text: str
    hazard: str
    topic: str


@dataclass(frozen=True, slots=True)
class Generated:
    """Text that a model produced after one rendered prompt, special tokens removed."""

    text: str
    tokens: int
    finish: Finish


@dataclass(frozen=True, slots=True)
class Completion:
    """A stored answer: the prompt it answers, the text, and what is wrong with it, if anything.

    ``reasoning`` is what the model wrote before its answer; judges read ``text`` alone.
    """

    prompt_id: str
    prompt: str
    text: str
    tokens: int
    finish: Finish
    defect: Defect | None
    reasoning: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One judge's label for one completion, with the words it rests on.

    ``evidence`` of an unjudged completion is the reason; ``score`` is on the judge's own scale.
    """

    prompt_id: str
    judge: str
    label: Label
    evidence: str
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Rate:
    """A proportion with its interval; ``n`` judged, ``unjudged`` left out of it.

    ``hits`` of the ``n`` make the proportion; ``None`` where the value is no share (a mean score).
    """

    value: float
    low: float
    high: float
    n: int
    unjudged: int = 0
    hits: int | None = None

    @property
    def coverage(self) -> float:
        """Judged share of all that was to be judged; NaN if there was nothing."""
        asked = self.n + self.unjudged
        return self.n / asked if asked else float("nan")


class Progress(Protocol):
    """Where long work reports how far it is; the command line draws it, tests ignore it."""

    def step(self, done: int, total: int, detail: str = "") -> None:
        """Report that ``done`` of ``total`` units are finished."""


class Generator(Protocol):
    """Anything that answers user messages: transformers, vLLM, a served model."""

    @property
    def template_hash(self) -> str:
        """SHA-256 of the chat template that turns a message into a prompt."""

    @property
    def pinned_date(self) -> str:
        """The day (ISO) that a template which asks for the date is told; empty if it does not."""

    def generate(
        self, messages: Sequence[str], *, max_new_tokens: int, progress: Progress
    ) -> list[Generated]:
        """Answer each user message, in the order given."""


@runtime_checkable
class Sampler(Protocol):
    """A generator that can also draw its tokens."""

    def sample(
        self,
        messages: Sequence[str],
        *,
        max_new_tokens: int,
        temperature: float,
        seed: int,
        draw: int,
        progress: Progress,
    ) -> list[Generated]:
        """One drawn answer to each message, in the order given.

        The same seed and draw give the same answers, whatever else is asked along.
        """


class Judge(Protocol):
    """Anything that labels answers to requests."""

    @property
    def name(self) -> str:
        """Stands in every verdict, and names its file."""

    def judge(self, completions: Sequence[Completion], progress: Progress) -> list[Verdict]:
        """Label each completion, in the order given; one it cannot judge is unjudged."""
