"""Utility through lm-eval: the task is built from our spec, the prompts go through our renderer.

lm-eval owns documents, stopping, answer extraction and the metric; ``GeneratorLM`` hands its
requests to any of our generators, so that a model is asked exactly as it was trained.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from datasets import Dataset
from lm_eval import evaluator, simple_evaluate
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.tasks import TaskManager

from lox_bench.errors import UsageError
from lox_bench.types import Generator, Progress
from lox_bench.utility.extract import find_last
from lox_bench.utility.numbers import same_answer
from lox_bench.utility.scores import Scored
from lox_bench.utility.spec import UtilitySpec

_TASK = "lox_bench_utility"
_STRICT, _FLEXIBLE = "strict-match", "flexible-extract"  # lm-eval's names for the two readings
_NOTHING = "[invalid]"  # what its filters give where they find nothing


class GeneratorLM(LM):  # type: ignore[misc]
    """lm-eval's model interface over one of our generators; generative tasks only."""

    def __init__(self, generator: Generator, progress: Progress) -> None:
        """Answer lm-eval's requests with ``generator``."""
        super().__init__()
        self._generator = generator
        self._progress = progress

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """Answer each request greedily and cut it at the task's stop strings."""
        del disable_tqdm
        arguments = [request.args for request in requests]
        tokens = max(int(options["max_gen_toks"]) for _, options in arguments)
        answers = self._generator.generate(
            [context for context, _ in arguments], max_new_tokens=tokens, progress=self._progress
        )
        return [
            _cut(answer.text, options.get("until", []))
            for answer, (_, options) in zip(answers, arguments, strict=True)
        ]

    def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = False) -> Any:
        """Refused: our generators give text, not probabilities."""
        del requests, disable_tqdm
        raise UsageError("this utility task scores log-likelihoods; only generative tasks run here")

    loglikelihood_rolling = loglikelihood


def evaluate(
    spec: UtilitySpec,
    rows: Sequence[Mapping[str, str]],
    generator: Generator,
    progress: Progress,
) -> list[Scored]:
    """Score ``generator`` on ``rows``, in their order."""
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    with without_git():
        results = simple_evaluate(
            model=GeneratorLM(generator, progress),
            tasks=[task_config(spec, rows)],
            task_manager=TaskManager(include_defaults=False),
            bootstrap_iters=0,
            log_samples=True,
            verbosity="ERROR",
        )
    samples = results["samples"][_TASK]
    read = {(sample["doc_id"], sample["filter"]): sample for sample in samples}
    return [_scored(read[i, _STRICT], read[i, _FLEXIBLE], spec.extract) for i in range(len(rows))]


@contextmanager
def without_git() -> Iterator[None]:
    """Spare the user git's complaint: lm-eval asks it for the version of the current folder."""
    asked = evaluator.get_git_commit_hash
    evaluator.get_git_commit_hash = str
    try:
        yield
    finally:
        evaluator.get_git_commit_hash = asked


def task_config(spec: UtilitySpec, rows: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The lm-eval task of a spec: zero-shot generation, exact match of the extracted answer.

    Rows and texts are handed over as they are: read from files, dates would become times, and a
    target that looks like a list would become one.
    """
    return {
        "task": _TASK,
        "custom_dataset": lambda **_: {"test": Dataset.from_list([dict(row) for row in rows])},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": spec.prompt.format_map,
        "doc_to_target": spec.target.format_map,
        "generation_kwargs": {
            "until": [],
            "do_sample": False,
            "max_gen_toks": spec.max_new_tokens,
        },
        "filter_list": [_filter(_STRICT, spec.extract), _filter(_FLEXIBLE, spec.flexible)],
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    }


def _filter(name: str, pattern: str) -> dict[str, Any]:
    """The last match of a pattern."""
    return {
        "name": name,
        "filter": [
            {"function": "custom", "filter_fn": partial(_extracted, pattern)},
            {"function": "take_first"},
        ],
    }


def _extracted(
    pattern: str, answers: Iterable[Sequence[str]], docs: Sequence[Mapping[str, Any]]
) -> list[list[str]]:
    """What the pattern finds last in each answer, as lm-eval's own filter, within a time limit."""
    del docs
    return [[find_last(pattern, text) or _NOTHING for text in texts] for texts in answers]


def _scored(strict: Mapping[str, Any], flexible: Mapping[str, Any], extract: str) -> Scored:
    """Both readings of one answer against the target, as numbers where they are such.

    lm-eval compares texts: to it ``72.00`` is not ``72``.
    """
    target = str(strict["target"])
    said, last = strict["filtered_resps"][0], flexible["filtered_resps"][0]
    right = find_last(extract, target) or target
    return Scored(
        prompt=strict["arguments"][0][0],
        answer=strict["resps"][0][0],
        target=target,
        correct=said != _NOTHING and same_answer(said, right),
        flexible=last != _NOTHING and same_answer(last, right),
        unread=said == _NOTHING,
    )


def _cut(text: str, stops: Sequence[str]) -> str:
    ends = [text.find(stop) for stop in stops if stop and stop in text]
    return text[: min(ends)] if ends else text
