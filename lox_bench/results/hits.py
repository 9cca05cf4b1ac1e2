"""Hit or miss, prompt by prompt, behind one row of a run's leaderboard."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from lox_bench.results.metrics import ANY, DEGENERATE
from lox_bench.results.row import Row
from lox_bench.results.run import Run, VariantName
from lox_bench.types import Label
from lox_bench.utility.benchmark import BENCHMARK_JUDGE
from lox_bench.utility.scores import ACCURACY_METRICS


def hits_of(run: Run, row: Row) -> Mapping[str, bool | None]:
    """By prompt: whether its answer is one that the row counts; ``None`` if it is unjudged.

    Raises:
        DataError: a file that the row rests on cannot be read.
    """
    name = VariantName.of(row)
    if row.metric == DEGENERATE:
        answers = run.completions(name, row.task)
        return {answer.prompt_id: answer.defect is not None for answer in answers}
    if row.judge == BENCHMARK_JUDGE:
        return {item.document: item.hit(row.metric) for item in run.benchmark(name, row.task)}
    if row.metric in ACCURACY_METRICS:
        records = run.utility(name, row.task)
        prompts = _unique(_digest(record.prompt) for record in records)
        return {p: record.counts(row.metric) for p, record in zip(prompts, records, strict=True)}
    facts = run.record.prompts[row.task]
    samples = facts.samples if row.metric.endswith(ANY) else 1
    draws = [run.verdicts(name, row.task, row.judge, draw) for draw in range(samples)]
    return {
        said[0].prompt_id: _any([verdict.label for verdict in said], facts.counts)
        for said in zip(*draws, strict=True)
    }


def _any(labels: Sequence[Label], counts: Label) -> bool | None:
    """Whether one of them counts; not known if none does and some answers are unjudged."""
    if counts in labels:
        return True
    return None if Label.UNJUDGED in labels else False


def _digest(prompt: str) -> str:
    """Utility rows carry no id; the text stands for itself."""
    return hashlib.sha256(prompt.encode()).hexdigest()[:12]


def _unique(names: Iterable[str]) -> list[str]:
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return unique
