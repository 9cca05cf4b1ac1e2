"""Where a model is asked, how fast and at what price; what is asked of it."""

from dataclasses import dataclass, field
from typing import Annotated, Final

from lox_bench.ranges import CountOrAll, Range

JUDGE: Final = "judge"  # a role
REQUESTS: Final = "requests"  # the folder of a cache that keeps replies
LOCAL: Final = "hf"  # what runs a model in this process
Turn = tuple[str, str]  # role, content
_MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class ServingSpec:
    """How an endpoint is asked; prices are US dollars per million tokens, ``None`` if unknown.

    ``key_env`` names the environment variable that holds the API key; the key itself has no place
    in a file. ``requests_per_minute = 0`` sets no limit.
    """

    key_env: str = ""
    concurrency: Annotated[int, Range(1, 1024)] = 8
    requests_per_minute: CountOrAll = 0
    timeout_s: Annotated[float, Range(0, 3600, above=True)] = 60.0
    retries: Annotated[int, Range(0, 100)] = 6
    backoff_s: Annotated[float, Range(0, 600)] = 0.5
    usd_per_million_in: Annotated[float | None, Range(0, 100_000)] = None
    usd_per_million_out: Annotated[float | None, Range(0, 100_000)] = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model at one place, asked for one purpose.

    Attributes:
        role: who asks: ``judge`` or ``model`` (under test); ``name`` is the asker's.
        model: as the server calls it.
        base_url: such as ``http://localhost:8000/v1``; empty where the model runs in this process.
        backend: what runs it, as request keys have it; ``identity`` pins local weights.
    """

    role: str
    name: str
    model: str
    base_url: str
    backend: str
    identity: str = ""
    serving: ServingSpec = field(default_factory=ServingSpec)

    @property
    def who(self) -> str:
        """``judge policy-rubric``, for messages."""
        return f"{self.role} {self.name}"

    @property
    def is_local(self) -> bool:
        """Whether it runs in this process."""
        return self.backend == LOCAL

    @property
    def where(self) -> str:
        """The model and where it runs, for messages."""
        place = "in this process" if self.is_local else f"at {self.base_url}"
        return f"{self.model} {place}"

    @property
    def is_priced(self) -> bool:
        """Whether both prices are known."""
        prices = (self.serving.usd_per_million_in, self.serving.usd_per_million_out)
        return None not in prices

    def cost(self, tokens_in: int, tokens_out: int) -> float | None:
        """US dollars for so many tokens; ``None`` without prices."""
        if not self.is_priced:
            return None
        into, out = self.serving.usd_per_million_in or 0.0, self.serving.usd_per_million_out or 0.0
        return (tokens_in * into + tokens_out * out) / _MILLION


@dataclass(frozen=True, slots=True)
class Chat:
    """What one request asks: the turns, the sampling seed, the longest reply in tokens."""

    turns: tuple[Turn, ...]
    seed: int
    max_tokens: int
    temperature: float = 0

    @property
    def size(self) -> int:
        """Bytes of text in it."""
        return sum(len(content.encode()) for _, content in self.turns)
