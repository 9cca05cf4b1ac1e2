"""A run's folder read back: rows, transcripts and verdicts, all found through its manifest.

``report/output.py`` writes these folders; whatever works on finished runs (re-judging, comparing,
reporting) reads them here and never guesses at file names.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from lox_bench.codec import hash_of, read_records
from lox_bench.errors import DataError
from lox_bench.files import MANIFEST
from lox_bench.judges.kinds import can_count
from lox_bench.results.record import Claim, RunRecord, load_record
from lox_bench.results.row import Row, read_csv
from lox_bench.types import Completion, Prompt, Verdict
from lox_bench.utility.benchmark import Sampled
from lox_bench.utility.scores import Scored

LEADERBOARD = "leaderboard.csv"
MARKDOWN = "leaderboard.md"
NO_ATTACK = "none"
_UNFIT = re.compile(r"[^A-Za-z0-9._()=,+@|-]")  # in a file's name
_LONGEST = 140  # characters; task, judge and ending come on top, and 255 is the limit


class Named(Protocol):
    """Anything that says which model under test it is about: a row, a record."""

    @property
    def model(self) -> str:
        """The variant before the attack, as shown."""

    @property
    def attack(self) -> str:
        """The attack as shown; ``none`` without one."""

    @property
    def seed(self) -> int:
        """The seed."""


@dataclass(frozen=True, slots=True)
class VariantName:
    """What a leaderboard calls a model under test: the variant, the attack on it, the seed."""

    model: str
    attack: str
    seed: int

    @classmethod
    def of(cls, item: Named) -> "VariantName":
        """The model under test that something is about."""
        return cls(item.model, item.attack, item.seed)

    @property
    def title(self) -> str:
        """``aligned``, or ``aligned+gsm8k`` after an attack."""
        return self.model if self.attack == NO_ATTACK else f"{self.model}+{self.attack}"

    @property
    def stem(self) -> str:
        """How the files of this model begin; a hash where the name itself is no file's."""
        text = f"{self.title}@seed{self.seed}"
        fit = _UNFIT.sub("~", text)[:_LONGEST]
        return fit if fit == text else f"{fit}~{hash_of({'name': text})[:8]}"


def prompts_file(run: Path, task: str) -> Path:
    """Where a run keeps the prompts of one task, with their hazards and topics."""
    return run / "prompts" / f"{task}.jsonl"


def completions_file(run: Path, variant: VariantName, task: str, draw: int = 0) -> Path:
    """Where a run keeps the answers of one model to one task; of several samples, one each."""
    return run / "completions" / f"{variant.stem}.{task}{_sample(draw)}.jsonl"


def verdicts_file(run: Path, variant: VariantName, task: str, judge: str, draw: int = 0) -> Path:
    """Where a run keeps one judge's verdicts on them."""
    return run / "verdicts" / f"{variant.stem}.{task}.{judge}{_sample(draw)}.jsonl"


def _sample(draw: int) -> str:
    return f".sample-{draw + 1}" if draw else ""


def utility_file(run: Path, variant: VariantName, title: str) -> Path:
    """Where a run keeps the answers of one model to one utility task."""
    return run / "completions" / f"{variant.stem}.utility-{title}.jsonl"


def benchmark_file(run: Path, variant: VariantName, title: str) -> Path:
    """Where a run keeps what one model got on a task of lm-eval."""
    return run / "completions" / f"{variant.stem}.lm-eval-{title}.jsonl"


@dataclass(frozen=True)
class Run:
    """A finished run on disk."""

    path: Path
    record: RunRecord

    @cached_property
    def _asked(self) -> dict[tuple[VariantName, str], Sequence[str]]:
        """Ids of the prompts that a model answered, once read."""
        return {}

    @cached_property
    def rows(self) -> list[Row]:
        """Its leaderboard."""
        return read_csv(self.path / LEADERBOARD)

    @property
    def names(self) -> list[VariantName]:
        """Every model under test, in the order of the plan."""
        return [VariantName.of(variant) for variant in self.record.variants]

    @property
    def tasks(self) -> Sequence[str]:
        """Names of the prompt-set tasks."""
        return list(self.record.prompts)

    @property
    def judges(self) -> Sequence[str]:
        """Names of the judges whose verdicts are stored."""
        return list(self.record.judges)

    def judges_of(self, task: str) -> Sequence[str]:
        """Those that measure this task: a harmfulness rubric does not count refusals."""
        counts = self.record.prompts[task].counts
        return [name for name, judge in self.record.judges.items() if can_count(judge, counts)]

    def prompts(self, task: str) -> Mapping[str, Prompt]:
        """The prompts of one task by id."""
        return {item.id: item for item in _read(prompts_file(self.path, task), Prompt)}

    def completions(self, variant: VariantName, task: str, draw: int = 0) -> list[Completion]:
        """The answers of one model, in prompt order; of several samples, the ``draw``-th.

        Raises:
            DataError: the file cannot be read, or a prompt is answered twice in it.
        """
        file = completions_file(self.path, variant, task, draw)
        answers: list[Completion] = _read(file, Completion)
        _require_once([answer.prompt_id for answer in answers], file)
        return answers

    def verdicts(self, variant: VariantName, task: str, judge: str, draw: int = 0) -> list[Verdict]:
        """One judge's verdicts on them, in the same order; none on tasks it does not measure."""
        file = verdicts_file(self.path, variant, task, judge, draw)
        if not file.is_file() and judge not in self.judges_of(task):
            return []
        verdicts: list[Verdict] = _read(file, Verdict)
        self._require_all(verdicts, file, variant, task)
        return verdicts

    def _require_all(
        self, verdicts: Sequence[Verdict], file: Path, variant: VariantName, task: str
    ) -> None:
        """A lost line must not become a smaller n."""
        if (variant, task) not in self._asked:
            answers = self.completions(variant, task)
            self._asked[variant, task] = [answer.prompt_id for answer in answers]
        asked = self._asked[variant, task]
        said = [verdict.prompt_id for verdict in verdicts]
        _require_once(said, file)
        if said != asked:
            lost = next((name for name in asked if name not in set(said)), "")
            raise DataError(
                f"{file} does not fit the answers it judges: {len(said)} verdicts on "
                f"{len(asked)} answers"
                + (f", none on {lost!r}" if lost else "")
                + "; judge the run again"
            )

    def utility(self, variant: VariantName, title: str) -> list[Scored]:
        """The answers of one model to a utility task, each held to its target."""
        return _read(utility_file(self.path, variant, title), Scored)

    def benchmark(self, variant: VariantName, title: str) -> list[Sampled]:
        """What one model got on a task of lm-eval, document by document."""
        return _read(benchmark_file(self.path, variant, title), Sampled)


def open_run(path: Path) -> Run:
    """Open the folder of a finished run.

    Raises:
        DataError: it is no run's folder, its manifest is broken, or the run in it has not finished.
    """
    if not (path / MANIFEST).is_file():
        raise DataError(
            f"{path} is no run: it has no {MANIFEST} (a folder such as runs/NAME was wanted)"
        )
    record = load_record(path)
    if isinstance(record, Claim):
        raise DataError(f"the run in {path} has not finished; run its command again to complete it")
    return Run(path, record)


def _read(path: Path, cls: type[Any]) -> list[Any]:
    try:
        return read_records(path, cls)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from error


def _require_once(ids: Sequence[str], file: Path) -> None:
    if len(set(ids)) < len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        raise DataError(f"{file} holds the prompt {twice!r} twice")
