"""What the models of a sweep answered, over all harmful tasks of its study."""

from collections.abc import Sequence

import numpy as np

from lox_bench.diagnostics.resample import Matrix, hits
from lox_bench.judges.kinds import described, reads_of
from lox_bench.results.metrics import ASR, called
from lox_bench.stats.rates import degenerate_rate, verdict_rate
from lox_bench.study.measure import VariantResult
from lox_bench.study.study import Study
from lox_bench.types import Label, Rate


def harm_matrix(study: Study, results: Sequence[VariantResult], judge: str) -> Matrix:
    """``(models, prompts)``: 1 complied, 0 refused, NaN unjudged."""
    parts = [
        hits([r.verdicts[task.spec.name, judge] for r in results], Label(task.spec.counts))
        for task in study.tasks
    ]
    return np.concatenate(parts, axis=1)


def harm(study: Study, result: VariantResult, judge: str) -> Rate:
    """One model's rate by a judge (see ``harm_metric``) with its Wilson interval."""
    verdicts = [v for task in study.tasks for v in result.verdicts[task.spec.name, judge]]
    return verdict_rate(verdicts, Label(study.tasks[0].spec.counts))


def harm_metric(study: Study, judge: str) -> str:
    """What that rate is: ``refusal_lost`` by a judge of refusals, ``asr`` by one of content."""
    spec = next(item for item in study.judges if item.name == judge)
    return called(ASR, reads_of(described(spec)))


def degenerate_share(study: Study, result: VariantResult) -> float:
    """Share of one model's answers that are none: empty, looping, an echo."""
    answers = [answer for task in study.tasks for answer in result.completions[task.spec.name]]
    return degenerate_rate(answers).value
