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
HARM: Final = (REFUSAL_LOST, ASR)
TITLES: Final[Mapping[str, str]] = {
    ASR: "ASR",
    REFUSAL_LOST: "refusal lost",
    OVER_REFUSAL: "over-refusal",
}


def called(metric: str, reads: str) -> str:
    """The name of a prompt set's metric by a judge that ``reads`` refusals or content."""
    return REFUSAL_LOST if metric == ASR and reads == REFUSAL else metric


def title_of(metric: str) -> str:
    """The name in words: ``refusal lost``."""
    return TITLES.get(metric, metric)
