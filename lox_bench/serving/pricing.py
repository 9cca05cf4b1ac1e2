"""What asking costs: estimated before the first request, counted, and stopped in time."""

from collections import Counter
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from lox_bench.errors import UsageError
from lox_bench.serving.endpoint import JUDGE, Endpoint

_BYTES_PER_TOKEN = 3  # English text takes about 4: an estimate errs on the dear side
_HOW: Final = {True: "under [serving] in a spec of yours", False: "in --backend openai(...)"}
_PRICES: Final = "usd_per_million_in and usd_per_million_out (0 if it is free)"


@dataclass(frozen=True, slots=True)
class Estimate:
    """An upper estimate of what is about to be taken; ``usd`` is ``None`` without prices."""

    requests: int
    tokens_in: int
    tokens_out: int
    usd: float | None


@dataclass(slots=True)
class Account:
    """What one asker has taken so far, and what went wrong."""

    role: str
    name: str
    where: str
    asked: int = 0
    cached: int = 0
    retried: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float | None = None
    served_as: set[str] = field(default_factory=set)
    failures: Counter[str] = field(default_factory=Counter)

    def plus(self, other: "Account", sign: int = 1) -> "Account":
        """Both together; with ``sign`` -1 what this one has taken since ``other`` was copied."""
        return Account(
            self.role,
            self.name,
            self.where,
            asked=self.asked + sign * other.asked,
            cached=self.cached + sign * other.cached,
            retried=self.retried + sign * other.retried,
            tokens_in=self.tokens_in + sign * other.tokens_in,
            tokens_out=self.tokens_out + sign * other.tokens_out,
            usd=None if self.usd is None else self.usd + sign * (other.usd or 0.0),
            served_as=self.served_as | other.served_as,
            failures=self.failures + other.failures if sign > 0 else self.failures - other.failures,
        )


@dataclass(slots=True)
class Ledger:
    """All accounts of one command, and the sum in US dollars they may not exceed."""

    max_cost: float | None = None
    accounts: dict[str, Account] = field(default_factory=dict)
    _reserved: float = 0.0
    _told: dict[str, Account] = field(default_factory=dict)

    def open(self, endpoint: Endpoint) -> Account:
        """The asker's account.

        Raises:
            UsageError: the cost is limited but there are no prices.
        """
        if self.max_cost is not None and not endpoint.is_priced and not endpoint.is_local:
            raise UsageError(
                f"--max-cost cannot be kept: {endpoint.who} names no prices; set {_PRICES} "
                + _HOW[endpoint.role == JUDGE]
            )
        usd = 0.0 if endpoint.is_priced else None
        account = Account(endpoint.role, endpoint.name, endpoint.where, usd=usd)
        return self.accounts.setdefault(endpoint.who, account)

    @property
    def spent(self) -> float:
        """US dollars paid so far, by the servers' own token counts."""
        return sum(account.usd or 0.0 for account in self.accounts.values())

    def reserve(self, usd: float) -> bool:
        """Set ``usd`` aside for one request, unless the limit would be passed."""
        if self.max_cost is not None and self.spent + self._reserved + usd > self.max_cost:
            return False
        self._reserved += usd
        return True

    def news(self) -> dict[str, Account]:
        """What each judge has taken since this was asked last."""
        now = {judge: deepcopy(account) for judge, account in self.accounts.items()}
        earlier, self._told = self._told, now
        return {j: a.plus(earlier[j], -1) if j in earlier else a for j, a in now.items()}

    def add(self, news: Mapping[str, Account]) -> None:
        """Add what judges have taken in another process."""
        for judge, account in news.items():
            held = self.accounts.get(judge)
            self.accounts[judge] = account if held is None else held.plus(account)

    def records(self) -> list[dict[str, Any]]:
        """The accounts as plain data, for a manifest; who did not ask is left out."""
        when = datetime.now(UTC).isoformat(timespec="seconds")
        return [
            {
                "when": when,
                "role": account.role,
                "judge": account.name,
                "where": account.where,
                "served_as": sorted(account.served_as),
                "requests": account.asked,
                "from_cache": account.cached,
                "retries": account.retried,
                "tokens_in": account.tokens_in,
                "tokens_out": account.tokens_out,
                "usd": account.usd,
                "failures": dict(account.failures),
            }
            for account in self.accounts.values()
            if account.asked or account.failures
        ]

    def release(self, usd: float) -> None:
        """Give back what was set aside."""
        self._reserved -= usd


def estimate(endpoint: Endpoint, sizes: Iterable[int], reply_tokens: int) -> Estimate:
    """What requests with prompts of these sizes (bytes) take at most, each with a full reply."""
    counts = [tokens_of(size) for size in sizes]
    replies = len(counts) * reply_tokens
    return Estimate(len(counts), sum(counts), replies, endpoint.cost(sum(counts), replies))


def tokens_of(size: int) -> int:
    """Tokens in so many bytes, rounded up and on the high side."""
    return -(-size // _BYTES_PER_TOKEN)
