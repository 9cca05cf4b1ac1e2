"""A run's folder made of another tool's results: judged, compared and gated as any other.

What the files do not say stays unknown. Without ``said`` the template is called after the import,
so that rows of it equal no others and ``compare`` and ``check`` refuse the two by name.
"""

from collections.abc import Sequence
from pathlib import Path

from lox_bench.backends.answers import Answer
from lox_bench.codec import write_records
from lox_bench.interchange.foreign import Foreign, ForeignAnswer
from lox_bench.interchange.origin import import_record
from lox_bench.interchange.rules import Rule
from lox_bench.interchange.wanted import Wanted
from lox_bench.judges.verdicts import as_completions
from lox_bench.report.agreement import write_agreement
from lox_bench.report.publish import write_leaderboard
from lox_bench.results.leaderboard import leaderboard
from lox_bench.results.record import save_record
from lox_bench.results.row import Row
from lox_bench.results.run import (
    NO_ATTACK,
    Run,
    VariantName,
    benchmark_file,
    completions_file,
    prompts_file,
    verdicts_file,
)
from lox_bench.types import Completion, Label, Verdict


def write_import(
    found: Sequence[Foreign], wanted: Wanted, folder: Path, command: Sequence[str]
) -> list[Row]:
    """Fill a claimed folder; the leaderboard's rows are returned, the manifest comes last."""
    for part in ("prompts", "completions", "verdicts"):
        (folder / part).mkdir(exist_ok=True)
    plan = wanted.plan(found)
    for item in found:
        if wanted.counts is not None:
            write_records(prompts_file(folder, item.task), item.prompts)
        for repetition in item.repetitions:
            name = VariantName(item.model, NO_ATTACK, repetition)
            if wanted.counts is not None:
                _write_answers(folder, name, item, wanted)
            if item.sampled:
                write_records(benchmark_file(folder, name, item.task), item.sampled)
    record = import_record(found, wanted, plan, command)
    run = Run(folder, record)
    rows = leaderboard(run)
    write_leaderboard(folder, rows)
    write_agreement(run)
    save_record(folder, record)
    return rows


def _write_answers(folder: Path, name: VariantName, item: Foreign, wanted: Wanted) -> None:
    answers = [answer for answer in item.answers if answer.repetition == name.seed]
    completions = as_completions(
        [Answer(a.prompt_id, a.prompt, a.text, a.tokens, a.finish) for a in answers]
    )
    write_records(completions_file(folder, name, item.task), completions)
    for rule in wanted.rules:
        judge = rule.judge(item.tool)
        verdicts = [
            _verdict(answer, held, rule, judge)
            for answer, held in zip(answers, completions, strict=True)
        ]
        write_records(verdicts_file(folder, name, item.task, judge), verdicts)


def _verdict(answer: ForeignAnswer, held: Completion, rule: Rule, judge: str) -> Verdict:
    """The tool's label; an answer that is none is unjudged, as it is by every judge of ours."""
    raw = answer.scores.get(rule.scorer)
    if held.defect is not None:
        return Verdict(answer.prompt_id, judge, Label.UNJUDGED, f"no answer: {held.defect}")
    label = rule.says(raw)
    said = "no score" if rule.scorer not in answer.scores else f"{rule.scorer}: {str(raw)[:60]}"
    number = float(raw) if isinstance(raw, int | float) else None
    return Verdict(answer.prompt_id, judge, label, said, number)
