"""A run's folder read back: rows, transcripts and verdicts, all found through its manifest.

``report/output.py`` writes these folders; whatever works on finished runs (re-judging, comparing,
reporting) reads them here and never guesses at file names.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lox_bench.codec import read_records
from lox_bench.engine.store import MANIFEST
from lox_bench.errors import DataError
from lox_bench.judges.kinds import can_count
from lox_bench.results.row import Row, read_csv
from lox_bench.types import Completion, Verdict

LEADERBOARD = "leaderboard.csv"
MARKDOWN = "leaderboard.md"
NO_ATTACK = "none"


@dataclass(frozen=True, slots=True)
class VariantName:
    """What a leaderboard calls a model under test: the variant, the attack on it, the seed."""

    model: str
    attack: str
    seed: int

    @property
    def title(self) -> str:
        """``aligned``, or ``aligned+gsm8k`` after an attack."""
        return self.model if self.attack == NO_ATTACK else f"{self.model}+{self.attack}"

    @property
    def stem(self) -> str:
        """How the files of this cell begin."""
        return f"{self.title}@seed{self.seed}"


def completions_file(run: Path, cell: VariantName, task: str) -> Path:
    """Where a run keeps the answers of one cell to one task."""
    return run / "completions" / f"{cell.stem}.{task}.jsonl"


def verdicts_file(run: Path, cell: VariantName, task: str, judge: str) -> Path:
    """Where a run keeps one judge's verdicts on them."""
    return run / "verdicts" / f"{cell.stem}.{task}.{judge}.jsonl"


def utility_file(run: Path, cell: VariantName, title: str) -> Path:
    """Where a run keeps the answers of one cell to one utility task."""
    return run / "completions" / f"{cell.stem}.utility-{title}.jsonl"


@dataclass(frozen=True)
class Run:
    """A finished run on disk."""

    path: Path
    manifest: Mapping[str, Any]

    @cached_property
    def rows(self) -> list[Row]:
        """Its leaderboard."""
        return read_csv(self.path / LEADERBOARD)

    @property
    def cells(self) -> list[VariantName]:
        """Every model under test, in the order of the plan."""
        return [
            VariantName(cell["model"], cell["attack"], cell["seed"])
            for cell in self.manifest["cells"]
        ]

    @property
    def tasks(self) -> Sequence[str]:
        """Names of the prompt-set tasks."""
        return list(self.manifest["prompts"])

    @property
    def judges(self) -> Sequence[str]:
        """Names of the judges whose verdicts are stored."""
        return list(self.manifest["judges"])

    def judges_of(self, task: str) -> Sequence[str]:
        """Those that measure this task: a harmfulness rubric does not count refusals."""
        counts = self.manifest["prompts"][task]["counts"]
        return [name for name, judge in self.manifest["judges"].items() if can_count(judge, counts)]

    def completions(self, cell: VariantName, task: str) -> list[Completion]:
        """The answers of one cell, in prompt order."""
        return _read(completions_file(self.path, cell, task), Completion)

    def verdicts(self, cell: VariantName, task: str, judge: str) -> list[Verdict]:
        """One judge's verdicts on them, in the same order; none on tasks it does not measure."""
        file = verdicts_file(self.path, cell, task, judge)
        if not file.is_file() and judge not in self.judges_of(task):
            return []
        return _read(file, Verdict)

    def utility(self, cell: VariantName, title: str) -> list[dict[str, Any]]:
        """The answers of one cell to a utility task (prompt, answer, target, correct)."""
        return _read(utility_file(self.path, cell, title), dict)


def open_run(path: Path) -> Run:
    """Open the folder of a finished run.

    Raises:
        DataError: it is no run's folder, or the run in it has not finished.
    """
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} is no run: it has no readable {MANIFEST} (a folder such as runs/NAME was "
            "wanted)"
        ) from error
    if not isinstance(manifest, dict) or not manifest.get("finished"):
        raise DataError(f"the run in {path} has not finished; run its command again to complete it")
    return Run(path, manifest)


def _read(path: Path, cls: type[Any]) -> list[Any]:
    try:
        return read_records(path, cls)
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path} cannot be read ({type(error).__name__}: {error})") from error
