"""The tidy leaderboard: one row per family x model x attack x task x judge x metric x seed.

Rows come from a run's folder alone (manifest, completions, verdicts), so that a run and a later
judge of its stored answers make them in one way.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lox_bench import __version__
from lox_bench.codec import hash_of
from lox_bench.judges.kinds import reads_of
from lox_bench.judges.parsers import PARSERS
from lox_bench.results.hits import hits_of
from lox_bench.results.metrics import ANY, DEGENERATE, GREEDY, MEAN, called, decoded
from lox_bench.results.record import Plain, VariantRecord
from lox_bench.results.row import Row
from lox_bench.results.run import Run, VariantName
from lox_bench.results.validity import Rise, with_validity
from lox_bench.stats.clustered import Cluster, any_rate, mean_rate
from lox_bench.stats.intervals import mean_interval
from lox_bench.stats.mcnemar import mcnemar
from lox_bench.stats.pairs import pair
from lox_bench.stats.rates import (
    degenerate_rate,
    mean_score,
    partial_rate,
    rate,
    verdict_rate,
)
from lox_bench.types import Label, Rate, Verdict
from lox_bench.utility.benchmark import BENCHMARK_JUDGE, Sampled
from lox_bench.utility.perplexity import corpus_rate
from lox_bench.utility.scores import ACCURACY_METRICS

DEGENERATE_JUDGE = "degenerate-rules"
ACCURACY_JUDGE = "exact-match"
SCORE_METRICS = frozenset(
    name for parser in PARSERS.values() for name in (parser.mean, parser.partial) if name
)  # made of judges' scores, not of labels


def leaderboard(run: Run) -> list[Row]:
    """All rows of a run, models in plan order, invalid attacks marked.

    Raises:
        DataError: a file that the manifest promises cannot be read.
    """
    rows = [row for variant in run.record.variants for row in _variant_rows(run, variant)]
    return with_validity(rows, run.record.accuracy_tasks, _paired(run))


def _paired(run: Run) -> Rise:
    """McNemar's exact test on the answers of the run, seeds of one prompt as one cluster."""

    def rise(before: Sequence[Row], after: Sequence[Row]) -> float | None:
        if any(row.hits is None for row in (*before, *after)):
            return None
        one, other = ({row.seed: hits_of(run, row) for row in rows} for rows in (before, after))
        pairs = pair(one, other)
        return mcnemar(pairs, alternative="greater") if pairs.n else None

    return rise


@dataclass(frozen=True, slots=True)
class _Measure:
    """What was measured, by whom, on which data."""

    task: str
    judge: str
    metric: str
    rate: Rate
    data_sha256: str
    max_new_tokens: int | None
    judge_key: str = ""
    reads: str = ""
    decoding: str = GREEDY


def _variant_rows(run: Run, variant: VariantRecord) -> Iterator[Row]:
    name = VariantName.of(variant)
    for task in run.tasks:
        for measure in _task_measures(run, name, task):
            yield _row(run, variant, measure)
    for title, item in run.record.utilities.items():
        records = run.utility(name, title)
        data = (item.sha256, item.max_new_tokens)
        for metric in ACCURACY_METRICS:
            value = rate(sum(record.counts(metric) for record in records), len(records))
            yield _row(run, variant, _Measure(title, ACCURACY_JUDGE, metric, value, *data))
    for title, held in run.record.benchmarks.items():
        for metric, value in _means(run.benchmark(name, title)):
            data = (held.sha256, 0)
            yield _row(run, variant, _Measure(title, BENCHMARK_JUDGE, metric, value, *data))


def _means(samples: list[Sampled]) -> Iterator[tuple[str, Rate]]:
    """Shares where every document got 0 or 1, means of scores elsewhere."""
    for metric in dict.fromkeys(metric for sample in samples for metric in sample.values):
        values = [sample.values[metric] for sample in samples if metric in sample.values]
        if all(value in {0, 1} for value in values):
            yield metric, rate(round(sum(values)), len(values))
        else:
            low, high = mean_interval(values, min(0.0, *values), max(1.0, *values))
            yield metric, Rate(sum(values) / len(values), low, high, n=len(values), unjudged=0)
    for metric in dict.fromkeys(metric for sample in samples for metric in sample.weighted):
        yield metric, corpus_rate(metric, [sample.weighted[metric] for sample in samples])


def _task_measures(run: Run, name: VariantName, task: str) -> Iterator[_Measure]:
    facts = run.record.prompts[task]
    data = (facts.sha256, facts.max_new_tokens)
    how = decoded(facts.temperature)
    for judge in run.judges_of(task):
        plain = run.record.judges[judge]
        verdicts, key = run.verdicts(name, task, judge), hash_of(plain)
        reads = reads_of(plain)
        value = verdict_rate(verdicts, facts.counts)
        metric = called(facts.metric, reads)
        yield _Measure(task, judge, metric, value, *data, key, reads, how)
        for name_of, drawn in _drawn(run, name, task, judge):
            several = decoded(facts.temperature, facts.samples)
            yield _Measure(task, judge, metric + name_of, drawn, *data, key, reads, several)
        for metric, value in _score_measures(plain, verdicts):
            yield _Measure(task, judge, metric, value, *data, key, reads, how)
    value = degenerate_rate(run.completions(name, task))
    yield _Measure(task, DEGENERATE_JUDGE, DEGENERATE, value, *data, decoding=how)


def _drawn(run: Run, name: VariantName, task: str, judge: str) -> Iterator[tuple[str, Rate]]:
    """Of several samples a prompt: over all of them, and in any; see ``stats.clustered``."""
    facts = run.record.prompts[task]
    if facts.samples == 1:
        return
    draws = [run.verdicts(name, task, judge, draw) for draw in range(facts.samples)]
    clusters = [_cluster(said, facts.counts) for said in zip(*draws, strict=True)]
    yield MEAN, mean_rate(clusters)
    yield ANY, any_rate(clusters)


def _cluster(verdicts: Sequence[Verdict], counts: Label) -> Cluster:
    judged = [verdict for verdict in verdicts if verdict.label is not Label.UNJUDGED]
    hits = sum(verdict.label is counts for verdict in judged)
    return Cluster(hits, len(judged), len(verdicts) - len(judged))


def _score_measures(judge: Plain, verdicts: list[Verdict]) -> Iterator[tuple[str, Rate]]:
    """What a judge's scores say beyond its labels, where its parser gives it a name."""
    parser = PARSERS.get(judge.get("parser", ""))
    if parser is not None and parser.mean:
        yield parser.mean, mean_score(verdicts, parser.low, parser.high)
    if parser is not None and parser.partial:
        yield parser.partial, partial_rate(verdicts, parser.low, parser.high)


def _row(run: Run, variant: VariantRecord, measure: _Measure) -> Row:
    value = measure.rate
    return Row(
        family=run.record.family,
        model=variant.model,
        attack=variant.attack,
        attack_data=variant.attack_data,
        task=measure.task,
        judge=measure.judge,
        metric=measure.metric,
        value=value.value,
        ci_low=value.low,
        ci_high=value.high,
        n=value.n,
        unjudged=value.unjudged,
        seed=variant.seed,
        model_key=variant.model_key,
        data_sha256=measure.data_sha256[:16],
        judge_key=measure.judge_key,
        template_sha256=variant.template_sha256[:16],
        loss_before=variant.loss_before,
        loss_after=variant.loss_after,
        coverage=value.coverage,
        valid="",
        invalid_reason="",
        lox_bench=__version__,
        hits=value.hits,
        align_seed=variant.align_seed,
        attack_seed=variant.attack_seed,
        reads=measure.reads,
        max_new_tokens=measure.max_new_tokens,
        held_out_before=variant.held_out_before,
        held_out_after=variant.held_out_after,
        backend=variant.backend,
        dtype=variant.dtype,
        decoding=measure.decoding,
    )
