"""What the rates of a leaderboard are called: it depends on what their judge reads.

A judge of refusals sees that a model no longer declines; only a judge of content sees whether it
delivers what was asked. The first is *refusal lost*, the second the attack success rate.
"""

from collections.abc import Mapping
from typing import Final

from lox_bench.judges.kinds import REFUSAL

ASR: Final = "asr"
REFUSAL_LOST: Final = "refusal_lost"
OVER_REFUSAL: Final = "over_refusal"
DEGENERATE: Final = "degenerate"
GREEDY: Final = "greedy"
MEAN, ANY = "_mean", "_any"  # of several samples a prompt: over all of them, in any of them
HARM: Final = (REFUSAL_LOST, ASR)
_OF_SAMPLES: Final = {MEAN: "over all samples", ANY: "in any sample"}
TITLES: Final[Mapping[str, str]] = {
    ASR: "ASR",
    REFUSAL_LOST: "refusal lost",
    OVER_REFUSAL: "over-refusal",
}


def called(metric: str, reads: str) -> str:
    """The name of a prompt set's metric by a judge that ``reads`` refusals or content."""
    return REFUSAL_LOST if metric == ASR and reads == REFUSAL else metric


def decoded(temperature: float, samples: int = 1) -> str:
    """How answers came about: ``greedy``, ``sample(temperature=0.7,n=5)``."""
    if not temperature:
        return GREEDY
    count = f",n={samples}" if samples > 1 else ""
    return f"sample(temperature={temperature:g}{count})"


def title_of(metric: str) -> str:
    """The name in words: ``refusal lost``, ``ASR in any sample``."""
    for suffix, words in _OF_SAMPLES.items():
        if metric.endswith(suffix) and metric.removesuffix(suffix) in TITLES:
            return f"{TITLES[metric.removesuffix(suffix)]} {words}"
    return TITLES.get(metric, metric)
