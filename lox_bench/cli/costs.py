"""Say what judging will take before the first request, and what it took after the last."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from lox_bench.backends.served import Served, asked_at
from lox_bench.errors import JudgeFailedError
from lox_bench.judges.kinds import (
    JudgeSpec,
    ModelSpec,
    PromptedSpec,
    can_count,
    described,
    endpoint_of,
)
from lox_bench.serving.endpoint import Endpoint
from lox_bench.serving.pricing import Account, Estimate, Ledger, estimate
from lox_bench.study.study import Study

_BYTES_PER_TOKEN = 4  # of the answers that are still to be written
_TAGS = 160  # bytes of delimiters around request and answer


class Costs:
    """Speaks to the user about requests, tokens and dollars."""

    def __init__(self, console: Console, *, quiet: bool) -> None:
        """Speak on ``console``, unless ``quiet``."""
        self._console, self._quiet = console, quiet

    def foresee_run(self, study: Study) -> None:
        """Estimate for answers that are still to be generated, each at its full length."""
        for spec in study.judges:
            if isinstance(spec, PromptedSpec):
                self.foresee(spec, _planned_sizes(study, spec))
        for variant in study.variants:
            if isinstance(variant.start, Served) and not self._quiet:
                endpoint = asked_at(variant.start, study.answering.served.manner)
                self._say(endpoint, _asked_of_model(study, endpoint))

    def foresee(self, spec: JudgeSpec, sizes: Sequence[int], known: int = 0) -> None:
        """Estimate for prompts of these sizes; ``known`` answers need no request of their own."""
        if self._quiet or not isinstance(spec, ModelSpec):
            return
        endpoint = endpoint_of(spec)
        reply = spec.max_tokens if isinstance(spec, PromptedSpec) else 0
        value = estimate(endpoint, sizes, reply)
        before = f" ({known} more are known or repeat these)" if known else ""
        self._say(endpoint, value, before)

    def _say(self, endpoint: Endpoint, value: Estimate, before: str = "") -> None:
        self._console.print(
            f"{endpoint.who}: {endpoint.where}; {_expected(endpoint, value)}{before}",
            soft_wrap=True,
            highlight=False,
        )

    def settle(self, ledger: Ledger, remedy: str) -> None:
        """Report what was taken; ``remedy`` says how to complete what is missing.

        Raises:
            JudgeFailedError: a judge could not be asked about everything.
        """
        for account in ledger.accounts.values():
            if not self._quiet and (account.asked or account.cached):
                self._console.print(_taken(account), soft_wrap=True, highlight=False)
        failed = [account for account in ledger.accounts.values() if account.failures]
        if failed:
            raise JudgeFailedError(f"{_complaint(failed)}. Those answers are unjudged; {remedy}")


def _planned_sizes(study: Study, spec: PromptedSpec) -> list[int]:
    return [
        len(spec.prompt) + len(prompt.text.encode()) + _TAGS + answer
        for task in study.tasks
        if can_count(described(spec), task.spec.counts)
        for answer in [_BYTES_PER_TOKEN * task.spec.max_new_tokens]
        for prompt in task.prompts.prompts[: study.limit]
        for _ in range(len(study.variants) * study.answering.samples)
    ]


def _asked_of_model(study: Study, endpoint: Endpoint) -> Estimate:
    """What a served model under test is asked at most."""
    parts = [
        estimate(
            endpoint,
            [len(prompt.text.encode()) for prompt in task.prompts.prompts[: study.limit]],
            task.max_new_tokens,
        )
        for task in study.tasks
    ]
    times = study.answering.samples
    asked, into, out = (
        times * sum(getattr(part, name) for part in parts)
        for name in ("requests", "tokens_in", "tokens_out")
    )
    return Estimate(asked, into, out, endpoint.cost(into, out))


def _expected(endpoint: Endpoint, value: Estimate) -> str:
    if not value.requests:
        return "nothing to ask"
    price = ", prices unknown" if value.usd is None else f", at most ${value.usd:.2f}"
    return (
        f"{value.requests} requests, about {_thousands(value.tokens_in)} tokens in, at most "
        f"{_thousands(value.tokens_out)} out{'' if endpoint.is_local else price}"
    )


def _taken(account: Account) -> str:
    price = "" if account.usd is None else f", ${account.usd:.4f}"
    retried = f", {account.retried} retries" if account.retried else ""
    cached = f" (and {account.cached} replies remembered)" if account.cached else ""
    return (
        f"{account.role} {account.name}: {account.asked} requests{cached}{retried}, "
        f"{_thousands(account.tokens_in)} tokens in, {_thousands(account.tokens_out)} out{price}"
    )


def completing(ledger: Ledger, run: Path) -> str:
    """How to complete a run's verdicts."""
    names = [a.name.split("@")[0] for a in ledger.accounts.values() if a.failures]
    return (
        f"complete them later: lox-bench judge {run} --judges {','.join(names)} --only-unjudged "
        "(with the same model and endpoint options)"
    )


def _complaint(failed: Sequence[Account]) -> str:
    return "; ".join(
        f"{account.role} {account.name} got no reply to {account.failures.total()} requests from "
        f"{account.where} ({account.failures.most_common(1)[0][0]})"
        for account in failed
    )


def _thousands(tokens: int) -> str:
    return f"{tokens / 1000:.1f}k" if tokens >= 1000 else str(tokens)  # noqa: PLR2004
