"""The kinds of judges, one frozen spec class each; which class reads a TOML file is its ``kind``.

Only what can change a verdict enters a judge's description, and with it the key of its stage:
how fast and at what price a model is asked (``ServingSpec``) does not.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from importlib import resources
from typing import Annotated, Any, Final, Protocol

from lox_bench.engine.stage import LATER
from lox_bench.errors import SpecError
from lox_bench.names import Name
from lox_bench.pyfile import code_identity
from lox_bench.ranges import CountOrAll, OneOf, Range, Seed, Tokens
from lox_bench.serving.endpoint import JUDGE, LOCAL, Endpoint, ServingSpec
from lox_bench.types import Completion, Progress, Verdict

KEYWORD = "keyword"
OPENING: Final = "opening"  # an anchor of keyword judges
CODE: Final = "code"
REFUSAL, CONTENT = "refusal", "content"  # what a judge reads: was it declined, or delivered?
LINES, EXPECTATION = "lines", "expectation"  # readings of tuned models
OPENAI, HF = "openai", LOCAL
BACKENDS: Final = (OPENAI, HF)


@dataclass(frozen=True, slots=True)
class KeywordSpec:
    """A keyword judge: a refusal is any of ``phrases``, where ``anchor`` says.

    ``start`` of the answer, ``anywhere`` in it, or in its ``opening`` (see ``judges/opening.py``),
    where ``turns`` undo a phrase that they follow. ``version`` counts the changes of a list;
    ``languages`` are those it knows: an answer in another script is unjudged.
    """

    name: str
    description: str
    anchor: str
    phrases: tuple[str, ...]
    turns: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    version: Annotated[int, Range(1, 10_000)] = 1


@dataclass(frozen=True, slots=True)
class PromptedSpec:
    """A language model that is asked about one answer at a time.

    ``prompt`` holds ``{request}`` and ``{response}``; an empty one hands the two over as the turns
    of a dialogue (Llama Guard's chat format). A score of at least ``success``, on the scale of
    ``parser``, is compliance. ``counts`` lists the labels whose share the judge can measure: a
    harmfulness rubric cannot count refusals of benign requests. ``reads`` says what it is asked
    about: whether the request was declined (``refusal``), or whether what it asks for was delivered
    (``content``). ``reminder`` is added when a reply could not be read and the question is put once
    more.
    """

    kind: str
    name: str
    description: str
    parser: str
    prompt: str
    success: float
    counts: tuple[str, ...]
    model: str
    max_tokens: Tokens
    reads: Annotated[str, OneOf(REFUSAL, CONTENT)]
    base_url: str = ""
    backend: str = OPENAI
    reminder: str = ""
    seed: Seed = 0
    identity: str = ""  # pins the weights of a local model; filled in before work starts
    serving: ServingSpec = field(default_factory=ServingSpec, compare=False)


@dataclass(frozen=True, slots=True)
class ClassifierSpec:
    """A sequence-classification model, run in this process.

    Its ``input`` is the answer alone (``"response"``) or request and answer as a text pair
    (``"pair"``); the probability of the labels in ``complied`` is its score, and at least
    ``success`` of it is compliance. With ``input = "prompt"`` it reads the text of ``prompt``,
    which holds ``{request}`` and ``{response}`` and is otherwise taken as it is, and the token that
    ends a text. ``shares = "sigmoid"`` is for models whose labels do not exclude one another: the
    highest of them is the score, and ``complied = ["*"]`` are all of them.
    """

    kind: str
    name: str
    description: str
    model: str
    complied: tuple[str, ...]
    counts: tuple[str, ...]
    reads: Annotated[str, OneOf(REFUSAL, CONTENT)]
    input: Annotated[str, OneOf("pair", "response", "prompt")] = "pair"
    success: Annotated[float, Range(0, 1)] = 0.5
    max_length: Tokens = 512
    batch_size: Annotated[int, Range(1, 65536)] = 32
    backend: str = HF
    identity: str = ""
    prompt: str = field(default="", metadata=LATER)
    shares: Annotated[str, OneOf("softmax", "sigmoid")] = field(default="softmax", metadata=LATER)


@dataclass(frozen=True, slots=True)
class TunedSpec:
    """A causal model fine-tuned to judge, asked by its own protocol, run in this process.

    ``prompt`` is the text it was trained on, with ``{request}`` and ``{response}``; the answer is
    cut after ``clip`` of its tokens (0: it is not). ``reading`` says how it answers: by one greedy
    token, yes or no (``first-token``); by lines of which ``line`` names the one that counts
    (``lines``, at most ``max_tokens``); or by its shares of the tokens 1 to 5, whose mean, as 0 to
    1, is the score (``expectation``). ``complied`` is the word that means compliance; ``base``
    names the model under an adapter.
    """

    kind: str
    name: str
    description: str
    model: str
    prompt: str
    reading: Annotated[str, OneOf("first-token", LINES, EXPECTATION)]
    counts: tuple[str, ...]
    reads: Annotated[str, OneOf(REFUSAL, CONTENT)]
    complied: Annotated[str, OneOf("yes", "no")] = "yes"
    line: str = ""
    clip: CountOrAll = 0
    max_tokens: Tokens = 1
    success: Annotated[float, Range(0, 1, above=True)] = 0.5
    base: str = ""
    backend: str = HF
    identity: str = ""


@dataclass(frozen=True, slots=True)
class OfflineSpec:
    """A small encoder from a wheel and a trained head over it, run in this process.

    ``encoder`` are the pinned files of the encoder, ``head`` the name of a packaged head;
    ``identity`` pins what it rests on here, ``version`` counts the changes of its features.
    """

    kind: str
    name: str
    description: str
    counts: tuple[str, ...]
    reads: Annotated[str, OneOf(REFUSAL, CONTENT)]
    encoder: tuple[str, ...]
    head: Name
    identity: str = ""
    version: Annotated[int, Range(1, 10_000)] = 1


class CodeJudge(Protocol):
    """A judge that somebody wrote: a frozen dataclass, spec and judge at once.

    ``counts`` lists the labels whose share it can measure; its fields are what can change a
    verdict, besides its code.
    """

    @property
    def name(self) -> str:
        """Names its files: letters, digits, dots, dashes and underscores."""

    @property
    def description(self) -> str:
        """One line for lists."""

    @property
    def counts(self) -> tuple[str, ...]:
        """``complied``, ``refused``, or both."""

    @property
    def reads(self) -> str:
        """``refusal`` (was the request declined?) or ``content`` (was what it asks delivered?)."""

    def judge(self, completions: Sequence[Completion], progress: Progress) -> list[Verdict]:
        """Label each completion, in the order given; one it cannot judge is unjudged."""


LocalSpec = ClassifierSpec | TunedSpec  # always run in this process
ModelSpec = PromptedSpec | LocalSpec
JudgeSpec = KeywordSpec | OfflineSpec | ModelSpec | CodeJudge
PackagedSpec = KeywordSpec | OfflineSpec | PromptedSpec | ClassifierSpec | TunedSpec

KINDS: Final[Mapping[str, type[PackagedSpec]]] = {
    KEYWORD: KeywordSpec,
    "offline": OfflineSpec,
    "policy-rubric": PromptedSpec,
    "strongreject": PromptedSpec,
    "harmbench": PromptedSpec,
    "llama-guard": PromptedSpec,
    "refusal": PromptedSpec,
    "classifier": ClassifierSpec,
    "tuned": TunedSpec,
}


def described(spec: JudgeSpec) -> dict[str, Any]:
    """All of a spec that can change a verdict, as plain data."""
    if not isinstance(spec, PackagedSpec):
        return _described_code(spec)
    plain = asdict(spec)
    plain.pop("serving", None)
    for slot in fields(spec):
        if slot.metadata == LATER and plain[slot.name] == slot.default:
            del plain[slot.name]
    if isinstance(spec, KeywordSpec) and spec.anchor != OPENING:
        plain = {name: plain[name] for name in ("name", "description", "anchor", "phrases")}
    if not plain.get("identity", "set"):
        del plain["identity"]
    return plain


def _described_code(judge: CodeJudge) -> dict[str, Any]:
    """Fields, name and counts of a judge, and the hash of its file."""
    return {
        **asdict(judge),  # type: ignore[call-overload]
        **code_identity(type(judge)),
        "kind": CODE,
        "name": judge.name,
        "description": judge.description,
        "counts": list(judge.counts),
        "reads": judge.reads,
    }


def endpoint_of(spec: ModelSpec) -> Endpoint:
    """Where the model of a judge is asked, and how."""
    if isinstance(spec, LocalSpec):
        return Endpoint(JUDGE, spec.name, spec.model, "", spec.backend, spec.identity)
    return Endpoint(
        JUDGE, spec.name, spec.model, spec.base_url, spec.backend, spec.identity, spec.serving
    )


def head_text(name: str) -> str:
    """The file of a packaged head.

    Raises:
        SpecError: there is none of that name.
    """
    file = resources.files("lox_bench.assets.judges") / "heads" / f"{name}.json"
    if not file.is_file():
        raise SpecError(f"head {name}", "there is none of that name")
    return file.read_text(encoding="utf-8")


def with_head(spec: OfflineSpec) -> OfflineSpec:
    """The spec with the content pinned of its head, and of the phrase list that it reads by.

    Raises:
        SpecError: there is no head of that name.
    """
    words = resources.files("lox_bench.assets.judges") / "keyword.toml"
    text = head_text(spec.head) + words.read_text(encoding="utf-8")
    return replace(spec, identity=hashlib.sha256(text.encode()).hexdigest())


def reads_of(judge: Mapping[str, Any]) -> str:
    """What a described judge reads; a list of refusal phrases reads refusals."""
    reads: str = judge.get("reads", REFUSAL)
    return reads


def can_count(judge: Mapping[str, Any], label: str) -> bool:
    """Whether a described judge can measure the share of answers labelled ``label``."""
    return label in judge.get("counts", (label,))
