"""What a model's answer to one row of a utility task is worth."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Scored:
    """One answer of a model to a utility task, held to the row's target.

    ``correct``: the answer where the task asks for it (after ``####``) is the right one.
    ``flexible``: the last number of the answer is, wherever it stands.
    ``unread``: nothing stands where the task asks for the answer; never ``correct``.
    """

    prompt: str
    answer: str
    target: str
    correct: bool
    flexible: bool
    unread: bool

    def counts(self, metric: str) -> bool:
        """Whether this answer is one of those that the metric is the share of."""
        return bool(getattr(self, ACCURACY_METRICS[metric]))


ACCURACY: Final = "accuracy"
FLEXIBLE: Final = "accuracy_flexible"
UNREAD: Final = "unread"
ACCURACY_METRICS: Final[Mapping[str, str]] = {
    ACCURACY: "correct",
    FLEXIBLE: "flexible",
    UNREAD: "unread",
}  # the field behind each
