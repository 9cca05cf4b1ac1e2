"""From a judge's spec to a judge that works; what a kind needs is imported when it is asked for."""

from dataclasses import replace
from pathlib import Path

from lox_bench.engine.store import ENCODERS, default_root
from lox_bench.errors import SpecError
from lox_bench.judges.keyword import KeywordJudge
from lox_bench.judges.kinds import (
    BACKENDS,
    HF,
    JudgeSpec,
    KeywordSpec,
    LocalSpec,
    ModelSpec,
    OfflineSpec,
    TunedSpec,
    endpoint_of,
    with_head,
)
from lox_bench.judges.prompted import PromptedJudge
from lox_bench.serving.endpoint import REQUESTS
from lox_bench.serving.pricing import Account, Ledger
from lox_bench.sources.identity import identify
from lox_bench.types import Judge


def build_judge(
    spec: JudgeSpec,
    *,
    ledger: Ledger | None = None,
    root: Path | None = None,
    afresh: bool = False,
) -> Judge:
    """Make the judge of a spec; a judge that is code is its own.

    Args:
        spec: any kind.
        ledger: where costs are counted and limited; by default counted nowhere, without limit.
        root: the cache folder whose ``requests/`` keeps replies (default: ``$LOX_BENCH_CACHE``).
        afresh: ask a model again where its remembered reply cannot be read.

    Raises:
        SpecError: the spec is inconsistent.
        UsageError: an API key or endpoint is missing, or a cost limit cannot be kept.
        SourceError: a local model cannot be had.
    """
    if isinstance(spec, KeywordSpec):
        return KeywordJudge(spec)
    if isinstance(spec, OfflineSpec):
        from lox_bench.judges.offline import OfflineJudge

        return OfflineJudge(spec, (root or default_root()) / ENCODERS)
    ledger = ledger or Ledger()
    if not isinstance(spec, ModelSpec):
        return spec
    if isinstance(spec, LocalSpec):
        return _local_judge(spec, ledger.open(endpoint_of(spec)))
    if spec.backend not in BACKENDS:
        raise SpecError(
            f"judge {spec.name}",
            f"backend must be one of {', '.join(BACKENDS)}, not {spec.backend!r}",
        )
    cache = (root or default_root()) / REQUESTS
    if spec.backend == HF:
        from lox_bench.judges.local import LocalModel

        local = LocalModel(spec, ledger.open(endpoint_of(spec)))
        return PromptedJudge(spec, local, cache, ledger.open(endpoint_of(spec)), afresh=afresh)
    from lox_bench.serving.client import ServedModel

    served = ServedModel(endpoint_of(spec), ledger)
    return PromptedJudge(spec, served, cache, ledger.open(endpoint_of(spec)), afresh=afresh)


def _local_judge(spec: LocalSpec, account: Account) -> Judge:
    if isinstance(spec, TunedSpec):
        from lox_bench.judges.tuned import TunedJudge

        return TunedJudge(spec, account)
    from lox_bench.judges.classifier import ClassifierJudge

    return ClassifierJudge(spec, account)


def pinned(spec: JudgeSpec) -> JudgeSpec:
    """The spec with the content of a local model pinned, so that its key follows the weights.

    Raises:
        SourceError: the folder holds no model, or the hub cannot be asked.
    """
    if isinstance(spec, OfflineSpec):
        return with_head(spec)
    if not isinstance(spec, ModelSpec) or spec.backend != HF:
        return spec
    identity = identify(spec.model)
    if isinstance(spec, TunedSpec) and spec.base:
        identity = f"{identity} over {identify(spec.base)}"
    return replace(spec, identity=identity)
