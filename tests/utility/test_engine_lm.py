"""lm-eval over an engine: the numbers of lm-eval over weights, whoever computes them.

Here torch computes, one row at a time; tests/backends/test_vllm.py does the same with vLLM.
"""

from ast import literal_eval
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from support.pico import CHATML, NoProgress
from support.tasks import task_files

from lox_bench.errors import UsageError
from lox_bench.sources.loading import load_model
from lox_bench.types import Progress
from lox_bench.utility.benchmark import Sampled, read_benchmarks
from lox_bench.utility.library import documents, evaluate_benchmark
from lox_bench.utility.lm import Running


class ByTorch:
    """A scorer without a batch, a cache or an engine."""

    def __init__(self, folder: Path, longest: int = 2048) -> None:
        self._model = load_model(folder, torch.float32).eval()
        self._ends = self._model.generation_config.eos_token_id
        self.longest, self.rows = longest, 0

    @torch.inference_mode()
    def log_probabilities(
        self, rows: Sequence[tuple[Sequence[int], int]], progress: Progress
    ) -> list[tuple[float, bool]]:
        del progress
        found = []
        for ids, count in rows:
            assert len(ids) < self.longest
            self.rows += 1
            told = self._model(torch.tensor([ids])).logits[0, -count - 1 : -1].log_softmax(-1)
            wanted = torch.tensor(ids[-count:])
            own = told.gather(1, wanted[:, None])[:, 0]
            found.append((float(own.sum()), bool((own == told.max(-1).values).all())))
        return found

    @torch.inference_mode()
    def continuations(
        self, rows: Sequence[Sequence[int]], *, max_new_tokens: int, progress: Progress
    ) -> list[list[int]]:
        del progress
        return [self._continued(list(ids), max_new_tokens) for ids in rows]

    def _continued(self, ids: list[int], count: int) -> list[int]:
        made: list[int] = []
        while len(made) < count and self._ends not in made:
            made.append(int(self._model(torch.tensor([ids + made])).logits[0, -1].argmax()))
        return made


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    return task_files(tmp_path)


def both(pico: Path, item: str, scorer: Any, limit: int = 6) -> tuple[list[Sampled], list[Sampled]]:
    (spec,) = read_benchmarks(item)
    metrics = documents(spec).metrics
    template = CHATML if spec.chat else None
    by = Running(scorer, NoProgress())
    plain, engine = (
        evaluate_benchmark(spec, pico, template, by=who, limit=limit, metrics=metrics)
        for who in (torch.float32, by)
    )
    return plain, engine


@pytest.mark.parametrize("task", ["choices.yaml", "choices.yaml(chat=yes)", "words.yaml"])
def test_the_numbers_are_those_of_weights(pico: Path, tasks: Path, task: str) -> None:
    plain, engine = both(pico, str(tasks / task), ByTorch(pico))
    assert [item.values for item in engine] == [item.values for item in plain]
    assert [item.prompt for item in engine] == [item.prompt for item in plain]
    for mine, theirs in zip(engine, plain, strict=True):
        if task == "words.yaml":
            assert mine.answer == theirs.answer
        else:
            said, wanted = (literal_eval(text) for text in (mine.answer, theirs.answer))
            assert said == pytest.approx(wanted, abs=1e-3)


@pytest.mark.slow
def test_whole_texts_too_in_windows_where_they_are_long(pico: Path) -> None:
    plain, engine = both(pico, "perplexity", ByTorch(pico), limit=2)
    for mine, theirs in zip(engine, plain, strict=True):
        for name, sums in theirs.weighted.items():
            assert mine.weighted[name] == pytest.approx(sums, abs=1e-3)
    narrow = ByTorch(pico, longest=34)
    _, cut = both(pico, "perplexity", narrow, limit=2)
    assert narrow.rows > 2 * len(cut)
    for mine, theirs in zip(cut, plain, strict=True):
        (ours, size), (wanted, same) = (
            next(iter(item.weighted.values())) for item in (mine, theirs)
        )
        assert size == same
        assert ours != wanted  # less is known of each token


def test_a_task_that_draws_is_refused(pico: Path, tasks: Path) -> None:
    text = (tasks / "words.yaml").read_text()
    drawn = text.replace("max_gen_toks: 8", "max_gen_toks: 8, do_sample: true, temperature: 0.7")
    (tasks / "words.yaml").write_text(drawn)
    (spec,) = read_benchmarks(str(tasks / "words.yaml"))
    by = Running(ByTorch(pico), NoProgress())
    with pytest.raises(UsageError, match="greedily only"):
        evaluate_benchmark(spec, pico, None, by=by, limit=2, metrics=("exact_match",))
