"""Rows of a study's results while they are still in memory, made in the one way there is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lox_bench.results.leaderboard import leaderboard
from lox_bench.results.row import Row
from lox_bench.results.run import Run, VariantName
from lox_bench.study.measure import Draw, VariantResult
from lox_bench.study.record import run_record
from lox_bench.study.study import Study
from lox_bench.types import Completion, Verdict
from lox_bench.utility.benchmark import Sampled
from lox_bench.utility.scores import Scored


@dataclass(frozen=True)
class LiveRun(Run):
    """A run whose answers need not be read back; judges added to its folder later are."""

    results: Mapping[VariantName, VariantResult]

    def completions(self, variant: VariantName, task: str, draw: int = 0) -> list[Completion]:
        """The answers of one variant, in prompt order; of several samples, the ``draw``-th."""
        return list(self._said(variant, draw).completions[task])

    def verdicts(self, variant: VariantName, task: str, judge: str, draw: int = 0) -> list[Verdict]:
        """One judge's verdicts on them, in the same order."""
        held = self._said(variant, draw).verdicts.get((task, judge))
        return super().verdicts(variant, task, judge, draw) if held is None else list(held)

    def _said(self, variant: VariantName, draw: int) -> VariantResult | Draw:
        result = self.results[variant]
        return result.draws[draw - 1] if draw else result

    def utility(self, variant: VariantName, title: str) -> list[Scored]:
        """The answers of one variant to a utility task."""
        return list(self.results[variant].utility[title])

    def benchmark(self, variant: VariantName, title: str) -> list[Sampled]:
        """What one variant got on a task of lm-eval."""
        return list(self.results[variant].benchmarks[title])


def study_rows(study: Study, results: Sequence[VariantResult]) -> list[Row]:
    """The leaderboard of results that are written nowhere (a trial, a search)."""
    return leaderboard(LiveRun(Path(), run_record(study, results, ()), by_variant(results)))


def by_variant(results: Sequence[VariantResult]) -> dict[VariantName, VariantResult]:
    """Results under the names of their variants."""
    return {result.variant.name: result for result in results}
