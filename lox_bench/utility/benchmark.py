"""Tasks of lm-eval by name: ``arc_easy``, ``mmlu(num_fewshot=5)``, or a task file of the user's.

They are lm-eval's own, run by lm-eval's own model class: its numbers are what ``lm_eval`` itself
prints for the same checkpoint. What is ours is that they are pinned, stored and compared.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lox_bench.errors import UsageError
from lox_bench.grammar import Call, parse_calls
from lox_bench.names import is_name

BENCHMARK_JUDGE: Final = "lm-eval"
_ARGUMENTS: Final[Mapping[str, str]] = {
    "num_fewshot": "examples before each question, a whole number (default: the task's own)",
    "chat": "yes or no: questions as user messages under the family's chat template (default: no)",
}
PERPLEXITY: Final = "perplexity"  # ours: how well a model foresees a text
_FILE: Final = "file"
_YES, _NO = "yes", "no"


@dataclass(frozen=True, slots=True)
class BenchmarkSpec:
    """A task of lm-eval and how it is asked; ``folder`` is where a task file of the user's lies.

    ``file`` holds the texts of ``perplexity``, where they are the user's.
    """

    task: str
    num_fewshot: int | None = None
    chat: bool = False
    folder: str = field(default="", compare=False)
    file: str = field(default="", compare=False)

    @property
    def title(self) -> str:
        """What rows call it: ``arc_easy``, ``arc_easy-5shot-chat``."""
        shots = "" if self.num_fewshot is None else f"-{self.num_fewshot}shot"
        text = f"-{Path(self.file).name.split('.')[0]}" if self.file else ""
        return f"{self.task}{text}{shots}{'-chat' * self.chat}"


@dataclass(frozen=True, slots=True)
class Sampled:
    """One document of a task: what was asked and answered, and the metrics it got (0/1 or scores).

    ``document`` is its number, behind the subtask's name where a group has several. Metrics of a
    whole text are in ``weighted``: the document's log-likelihood (natural), and its length in words
    or bytes, over which the metric is taken.
    """

    document: str
    prompt: str
    target: str
    answer: str
    values: Mapping[str, float]
    weighted: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def hit(self, metric: str) -> bool:
        """Whether a metric that is 0 or 1 is 1."""
        return self.values[metric] == 1


def read_benchmarks(text: str) -> list[BenchmarkSpec]:
    """Read ``--utility``: names of lm-eval's tasks or groups, or ``FILE.yaml``, with arguments.

    Raises:
        UsageError: an item is malformed, or comes twice.
    """
    specs = [_spec(call) for call in parse_calls(text)] if text.strip() else []
    titles = [spec.title for spec in specs]
    for title in titles:
        if titles.count(title) > 1:
            raise UsageError(f"--utility {text}: {title!r} is listed twice")
    return specs


def _perplexity(call: Call) -> BenchmarkSpec:
    """``perplexity``, or ``perplexity(file=mine.txt)``."""
    if [*call.args] not in ([], [_FILE]):
        raise UsageError(
            f"--utility {call}: {PERPLEXITY} takes {_FILE}=FILE and nothing else: texts one a row "
            "(column text), or of a .txt its paragraphs; without it, forty texts of ours"
        )
    file = call.args.get(_FILE, "").strip("\"'")
    if file and not is_name(Path(file).name.split(".")[0]):
        raise UsageError(
            f"--utility {call}: {Path(file).name!a} cannot name a row; letters, digits, '_' and "
            "'-' were wanted: rename the file"
        )
    return BenchmarkSpec(PERPLEXITY, file=str(Path(file).expanduser().resolve()) if file else "")


def _spec(call: Call) -> BenchmarkSpec:
    if call.name == PERPLEXITY:
        return _perplexity(call)
    for name in call.args:
        if name not in _ARGUMENTS:
            known = "; ".join(f"{key}: {what}" for key, what in _ARGUMENTS.items())
            raise UsageError(f"--utility {call}: unknown argument {name!r}; it takes {known}")
    shots, chat = call.args.get("num_fewshot"), call.args.get("chat", _NO)
    if shots is not None and not shots.isdecimal():
        raise UsageError(f"--utility {call}: num_fewshot wants a whole number, not {shots!r}")
    if chat not in {_YES, _NO}:
        raise UsageError(f"--utility {call}: chat wants {_YES} or {_NO}, not {chat!r}")
    file = Path(call.name)
    mine = file.suffix in {".yaml", ".yml"}
    return BenchmarkSpec(
        task=_named(file) if mine else call.name,
        num_fewshot=None if shots is None else int(shots),
        chat=chat == _YES,
        folder=str(file.parent.resolve()) if mine else "",
    )


def _named(file: Path) -> str:
    """The ``task`` of a task file."""
    import yaml

    try:
        plain: Any = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506 - texts only, unlike lm-eval's loader
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"--utility {file}: cannot be read ({error})") from error
    name = plain.get("task") if isinstance(plain, dict) else None
    if not isinstance(name, str):
        raise UsageError(f"--utility {file}: a task file of lm-eval says what it is: task: NAME")
    return name
