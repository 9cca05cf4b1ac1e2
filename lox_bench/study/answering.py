"""How a study's models answer: on which back end, and whether tokens are taken or drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from lox_bench.backends.backend import SERVED, Backend, Configured, Decoding, Sampling, resolved
from lox_bench.engine.stage import plain
from lox_bench.errors import UsageError
from lox_bench.serving.endpoint import ServingSpec
from lox_bench.study.backends import OPENAI, choose_backends
from lox_bench.study.benchmarks import PlannedBenchmark
from lox_bench.study.request import Request
from lox_bench.study.variant import Variant

_BATCH: Final = Backend().batch_size


@dataclass(frozen=True, slots=True)
class Answering:
    """Who answers, and how many times.

    ``local`` computes weights, ``served`` asks endpoints; ``why`` says how ``auto`` chose.
    ``samples`` answers a prompt are drawn at ``temperature``; 0: one, greedily.
    """

    local: Backend
    served: Configured = field(
        default_factory=lambda: Configured(OPENAI, SERVED, 1, manner=ServingSpec())
    )
    why: str = ""
    samples: int = 1
    temperature: float = 0.0

    def backend_of(self, variant: Variant) -> Backend:
        """Who answers for a model."""
        return self.served if variant.is_served else self.local

    def decoding_of(self, variant: Variant, max_new_tokens: int, draw: int = 0) -> Decoding:
        """How a model's answers are decoded; of several samples, the ``draw``-th."""
        if not self.temperature:
            return Decoding(max_new_tokens)
        return Sampling(max_new_tokens, temperature=self.temperature, seed=variant.seed, draw=draw)

    def described(self) -> Mapping[str, Any]:
        """What is unlike the usual, for the study's key; empty for greedy answers by ``hf``."""
        found: dict[str, Any] = {}
        if self.local != resolved(Backend()):
            found["backend"] = plain(self.local)
        if self.temperature:
            found["sampling"] = [self.samples, self.temperature]
        return found


def answering_of(request: Request) -> Answering:
    """How the models of a request answer.

    Raises:
        LoxBenchError: see ``choose_backends``.
    """
    backends = choose_backends(request.backend)
    local = _told(backends.local, request)
    return Answering(local, backends.served, backends.why, request.samples, request.temperature)


def _told(local: Backend, request: Request) -> Backend:
    """With the type and the batch that options of their own name.

    Raises:
        UsageError: ``--backend`` names another.
    """
    named: dict[str, tuple[Any, Any]] = {
        "dtype": (request.dtype, "auto"),
        "batch_size": (request.batch_size, _BATCH),
    }
    given = {name: value for name, (value, usual) in named.items() if value != usual}
    for name, value in given.items():
        if f"{name}=" in request.backend and getattr(local, name) != value:
            raise UsageError(
                f"--{name.replace('_', '-')} {value} and --backend {request.backend}: say it once"
            )
    return replace(local, **given) if given else local


def require_able(
    request: Request, variants: Sequence[Variant], benchmarks: Sequence[PlannedBenchmark]
) -> None:
    """Refuse what no back end here could do for these models.

    Raises:
        UsageError: ``--backend openai`` has models with weights before it, or lm-eval a served one.
    """
    local = [variant for variant in variants if not variant.is_served]
    served = [variant for variant in variants if variant.is_served]
    if request.backend.split("(")[0] == OPENAI and "," not in request.backend and local:
        raise UsageError(
            "--backend openai asks served models only (--models NAME=openai:http://HOST/v1#MODEL), "
            f"and {local[0].label!r} has weights: --backend hf,openai computes those with hf"
        )
    if served and benchmarks:
        raise UsageError(
            f"--utility {benchmarks[0].spec.title}: lm-eval wants weights, and model "
            f"{served[0].label!r} is served; measure it in a run of its own"
        )
