"""Put a judge before labelled pairs."""

from lox_bench.judges.labelled import LabelledSet
from lox_bench.stats.calibration import Outcome
from lox_bench.types import Judge, Progress


def judge_labelled(judge: Judge, labelled: LabelledSet, progress: Progress) -> list[Outcome]:
    """Let ``judge`` label every pair of a set, and hold its verdicts against the labels."""
    verdicts = judge.judge([pair.completion for pair in labelled.pairs], progress)
    return [
        Outcome(truth=pair.label, verdict=verdict.label, prompt=pair.prompt, kind=pair.kind)
        for pair, verdict in zip(labelled.pairs, verdicts, strict=True)
    ]
