"""Tasks of lm-eval in a study: looked up, and their documents fetched, before any work."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version

from lox_bench.backends.backend import Backend, hosts
from lox_bench.errors import UsageError
from lox_bench.utility.benchmark import BenchmarkSpec, read_benchmarks

_ABLE = "hf"  # the back end whose models lm-eval loads by itself


@dataclass(frozen=True, slots=True)
class PlannedBenchmark:
    """A task with what pins it: the SHA-256 of its documents, their number, its metrics.

    ``versions`` are those that lm-eval's tasks give themselves, by task.
    """

    spec: BenchmarkSpec
    sha256: str
    documents: int
    metrics: tuple[str, ...]
    lm_eval: str
    versions: Mapping[str, str]


def planned_benchmarks(text: str, backend: Backend) -> tuple[PlannedBenchmark, ...]:
    """What ``--utility`` asks for.

    Raises:
        UsageError, UnknownNameError, DataError: it cannot be had; see ``library.documents``.
    """
    specs = read_benchmarks(text)
    if specs and backend.name != _ABLE and not hosts(backend):
        raise UsageError(
            f"--utility: lm-eval runs on the back ends {_ABLE} and vllm, not {backend.name!r}"
        )
    return tuple(map(_planned, specs))


def _planned(spec: BenchmarkSpec) -> PlannedBenchmark:
    from lox_bench.utility.library import documents  # late: it loads torch

    held, own = documents(spec), version("lm-eval")
    return PlannedBenchmark(spec, held.sha256, held.count, held.metrics, own, held.versions)
