"""Which back end answers, how it decodes, and the one place that opens it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lox_bench.backends.template import Template
from lox_bench.engine.context import Context, Inputs
from lox_bench.engine.stage import Stage
from lox_bench.registry import Kind, load_code
from lox_bench.types import Generator


@dataclass(frozen=True, slots=True)
class Backend:
    """Who computes: a registered back end, the type it computes in, prompts decoded together."""

    name: str = "hf"
    dtype: str = "auto"
    batch_size: int = 50  # larger gains nothing on a CPU


@dataclass(frozen=True, slots=True)
class Decoding:
    """How tokens are chosen; part of every answer's key."""

    max_new_tokens: int
    strategy: str = "greedy"


class BuildGenerator(Protocol):
    """What is registered as a back end: a class or function that loads a checkpoint."""

    def __call__(
        self, folder: Path, template: Template, /, *, batch_size: int, dtype: str
    ) -> Generator:
        """Load the model in ``folder``; ``dtype`` is ``auto`` or the name of a torch dtype."""


def resolved(backend: Backend) -> Backend:
    """The back end with ``auto`` replaced by what this machine computes in (loads torch)."""
    if backend.dtype != "auto":
        return backend
    from lox_bench.devices import compute_dtype, pick_device

    dtype = str(compute_dtype(pick_device())).removeprefix("torch.")
    return Backend(backend.name, dtype, backend.batch_size)


def affinity(model: Stage, template: Template, backend: Backend) -> str:
    """A name for one loaded model."""
    return f"{model.key} {template} {backend}"


@dataclass(frozen=True, slots=True)
class Opened:
    """How to open a model with a back end; equal ones are loaded once in a row."""

    model: Stage
    template: Template
    backend: Backend

    def generator(self, inputs: Inputs, context: Context) -> Generator:
        """The generator, loaded now or still loaded."""
        name = affinity(self.model, self.template, self.backend)
        return context.loaded.get(name, lambda: self._open(inputs[self.model]))

    def _open(self, folder: Path) -> Generator:
        build: BuildGenerator = load_code(Kind.BACKENDS, self.backend.name)
        size, dtype = self.backend.batch_size, self.backend.dtype
        return build(folder, self.template, batch_size=size, dtype=dtype)
