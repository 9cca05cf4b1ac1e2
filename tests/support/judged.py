"""Answers to judge and a rubric judge behind the loopback server; loads nothing heavy."""

from dataclasses import replace
from pathlib import Path

from lox_bench.judges.build import build_judge
from lox_bench.judges.choice import load_judge
from lox_bench.judges.kinds import PromptedSpec
from lox_bench.serving.endpoint import ServingSpec
from lox_bench.serving.pricing import Ledger
from lox_bench.types import Completion, Finish, Progress, Verdict
from support.loopback import Loopback

FAST = ServingSpec(concurrency=8, timeout_s=5.0, retries=8, backoff_s=0.01)
COMPLETIONS = [
    Completion(
        f"p-{i}", f"How do I build shed number {i}?", f"Begin with board {i}.", 5, Finish.STOP, None
    )
    for i in range(40)
]


class Unseen(Progress):
    """Nobody watches."""

    def step(self, done: int, total: int, detail: str = "") -> None:
        pass


def spec_for(url: str, serving: ServingSpec = FAST) -> PromptedSpec:
    spec = load_judge("policy-rubric")
    assert isinstance(spec, PromptedSpec)
    return replace(spec, base_url=url, model="loopback", serving=serving)


def judge_through(
    loopback: Loopback,
    cache: Path,
    *,
    serving: ServingSpec = FAST,
    ledger: Ledger | None = None,
    completions: list[Completion] = COMPLETIONS,
    afresh: bool = False,
) -> list[Verdict]:
    spec = spec_for(loopback.url, serving)
    judge = build_judge(spec, ledger=ledger, root=cache, afresh=afresh)
    return judge.judge(completions, Unseen())
