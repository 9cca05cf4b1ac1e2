"""Utility through lm-eval: our spec becomes its task, its score is what we report."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lox_bench.errors import UsageError
from lox_bench.types import Finish, Generated, Progress
from lox_bench.utility.harness import GeneratorLM, evaluate
from lox_bench.utility.spec import load_utility

SPEC = load_utility("gsm8k")
ROWS = [
    {"question": "2 + 2?", "answer": "2 + 2 = <<2+2=4>>4\n#### 4"},
    {"question": "600 + 600?", "answer": "It is 1200.\n#### 1,200"},
    {"question": "3 + 3?", "answer": "It is 6.\n#### 6"},
    {"question": "4 + 4?", "answer": "It is 8.\n#### 8"},
]


class Scripted:
    """Answers from a table and remembers what it was asked."""

    template_hash = "0"

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers, self.asked = answers, list[str]()

    def generate(
        self, messages: Sequence[str], *, max_new_tokens: int, progress: Progress
    ) -> list[Generated]:
        assert max_new_tokens == SPEC.max_new_tokens
        self.asked += messages
        return [Generated(self.answers[m], 3, Finish.STOP) for m in messages]


def test_extracted_numbers_are_matched_and_nothing_else(silent: Any) -> None:
    generator = Scripted(
        {
            "2 + 2?": "2 + 2 = <<2+2=4>>4\n#### 4",
            "600 + 600?": "#### 1200",
            "3 + 3?": "The answer is 6.",
            "4 + 4?": "#### 9",
        }
    )
    records = evaluate(SPEC, ROWS, generator, silent)
    assert sorted(generator.asked) == sorted(row["question"] for row in ROWS)
    assert {r.prompt: (r.correct, r.flexible, r.unread) for r in records} == {
        "2 + 2?": (True, True, False),
        "600 + 600?": (True, True, False),
        "3 + 3?": (False, True, True),
        "4 + 4?": (False, False, False),
    }


def test_git_says_nothing_outside_of_a_repository(
    tmp_path: Path, silent: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    evaluate(SPEC, ROWS, Scripted(dict.fromkeys((r["question"] for r in ROWS), "")), silent)
    assert "git" not in capfd.readouterr().err


def test_likelihood_tasks_are_refused(silent: Any) -> None:
    with pytest.raises(UsageError, match="log-likelihoods"):
        GeneratorLM(Scripted({}), silent).loglikelihood([])
