"""What comes back from a model that was asked, and the protocol of whatever it runs on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from lox_bench.serving.endpoint import Chat


@dataclass(frozen=True, slots=True)
class Reply:
    """A model's words; ``cut`` if it ran into the token limit, ``model`` as the server names it."""

    text: str
    cut: bool
    tokens_in: int
    tokens_out: int
    model: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """No words came back, and why."""

    reason: str


Deliver = Callable[[int, Reply | Failure], None]


class Backend(Protocol):
    """Where the model runs."""

    def answer(self, chats: Sequence[Chat], deliver: Deliver) -> None:
        """Answer every chat; each outcome is delivered, with its index, as soon as it is there."""
