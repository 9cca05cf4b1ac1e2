"""Which back end answers, how it decodes, and the one place that opens it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Protocol

from lox_bench.backends.template import Template
from lox_bench.engine.context import Context, Inputs
from lox_bench.engine.stage import Stage
from lox_bench.errors import UsageError
from lox_bench.registry import Kind, load_code
from lox_bench.types import Generated, Generator, Progress, Sampler

SERVED: Final = "served"  # the type of a model that somebody else computes: nobody here knows it


@dataclass(frozen=True, slots=True)
class Backend:
    """Who computes: a registered back end, the type it computes in, prompts decoded together."""

    name: str = "hf"
    dtype: str = "auto"
    batch_size: int = 50  # larger gains nothing on a CPU


@dataclass(frozen=True, slots=True)
class Configured(Backend):
    """A back end with options of its own, a frozen dataclass.

    ``options`` can change answers, so that they are part of every key; ``manner`` cannot.
    """

    options: Any = None
    manner: Any = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Decoding:
    """How tokens are chosen; part of every answer's key."""

    max_new_tokens: int
    strategy: str = "greedy"

    def asked(
        self, generator: Generator, messages: Sequence[str], progress: Progress
    ) -> list[Generated]:
        """Answers to the messages, in their order."""
        return generator.generate(messages, max_new_tokens=self.max_new_tokens, progress=progress)


@dataclass(frozen=True, slots=True)
class Sampling(Decoding):
    """Tokens drawn from the softmax of logits / ``temperature``: the ``draw``-th of some draws.

    Each draw is a stage of its own, so that more of them later cost only the new ones.
    """

    strategy: str = "sample"
    temperature: float = 1.0
    seed: int = 0
    draw: int = 0

    def asked(
        self, generator: Generator, messages: Sequence[str], progress: Progress
    ) -> list[Generated]:
        """Answers to the messages, in their order.

        Raises:
            UsageError: the back end cannot draw.
        """
        if not isinstance(generator, Sampler):
            raise UsageError(
                f"--samples: the back end {type(generator).__name__} decodes greedily only (it has "
                "no method sample); leave --samples and --temperature out"
            )
        return generator.sample(
            messages,
            max_new_tokens=self.max_new_tokens,
            temperature=self.temperature,
            seed=self.seed,
            draw=self.draw,
            progress=progress,
        )


class BuildGenerator(Protocol):
    """What is registered as a back end: a class or function that loads a checkpoint."""

    def __call__(
        self, folder: Path, template: Template, /, *, batch_size: int, dtype: str
    ) -> Generator:
        """Load the model in ``folder``; ``dtype`` is ``auto`` or the name of a torch dtype."""


class BuildConfigured(Protocol):
    """The same with options: a class whose attribute ``Options`` is a frozen dataclass of them.

    Their fields are the arguments of ``--backend NAME(...)``, as a method's are of ``--models``.
    Where a class says ``changes_answers = False``, they are no part of any key.
    """

    Options: type

    def __call__(
        self,
        folder: Path,
        template: Template,
        /,
        *,
        batch_size: int,
        dtype: str,
        options: Any,
        context: Context,
    ) -> Generator:
        """Load the model in ``folder``; ``context`` is that of the stage which asks first."""


class Host(BuildConfigured, Protocol):
    """One whose loaded model answers under any template, with any adapter over it.

    Its options say so: ``hosts`` is true. Whether adapters are left to it (or are merged first)
    say their ``adapters``.
    """

    def hosted(self, opened: "Opened", inputs: Inputs, context: Context) -> Any:
        """The generator (and ``Scorer``) that is asked for, over what is loaded already if it is.

        ``context.loaded`` holds the loaded model under the name ``opened.name``.
        """


class Scorer(Protocol):
    """A loaded model that takes and gives token ids, for harnesses that render by themselves."""

    @property
    def longest(self) -> int:
        """Tokens that a row may have, those to come included."""

    def log_probabilities(
        self, rows: Sequence[tuple[Sequence[int], int]], progress: Progress
    ) -> list[tuple[float, bool]]:
        """The end of each row, given what is before it.

        Args:
            rows: token ids, and how many of them, the last ones, are scored: at least one, and
                fewer than there are.
            progress: is told rows.

        Returns:
            The sum of the natural logarithms of their probabilities, and whether none of them has
            a likelier alternative (greedy decoding would have taken it, or something as likely).
        """

    def continuations(
        self, rows: Sequence[Sequence[int]], *, max_new_tokens: int, progress: Progress
    ) -> list[list[int]]:
        """The ids of greedy continuations, the one that ends each included."""


def hosts(backend: Backend) -> bool:
    """Whether what a back end loads serves all templates, and is a ``Scorer``; see ``Host``."""
    return bool(getattr(getattr(backend, "options", None), "hosts", False))


def resolved(backend: Backend) -> Backend:
    """The back end with ``auto`` replaced by what this machine computes in (loads torch)."""
    if backend.dtype != "auto":
        return backend
    from lox_bench.devices import compute_dtype, pick_device

    dtype = str(compute_dtype(pick_device())).removeprefix("torch.")
    return replace(backend, dtype=dtype)


def affinity(model: Stage, template: Template, backend: Backend) -> str:
    """A name for one loaded model; where a back end hosts, adapters over it are of no matter."""
    return f"{model.key} {backend}" if hosts(backend) else f"{model.key} {template} {backend}"


@dataclass(frozen=True, slots=True)
class Opened:
    """How to open a model with a back end; equal ones are loaded once in a row.

    ``adapters`` are over the model, each over what the ones before it make; ``room`` is the
    highest rank that the study will ask of this loaded model (0: none is known). Both are for back
    ends that host.
    """

    model: Stage
    template: Template
    backend: Backend
    adapters: tuple[Stage, ...] = ()
    room: int = 0

    @property
    def name(self) -> str:
        """Of what is loaded."""
        return affinity(self.model, self.template, self.backend)

    def generator(self, inputs: Inputs, context: Context) -> Generator:
        """The generator, loaded now or still loaded."""
        if hosts(self.backend):
            host: Host = load_code(Kind.BACKENDS, self.backend.name)
            hosted: Generator = host.hosted(self, inputs, context)
            return hosted
        return context.loaded.get(self.name, lambda: self._open(inputs[self.model], context))

    def scorer(self, inputs: Inputs, context: Context) -> Scorer:
        """The same, where the back end hosts."""
        scorer: Any = self.generator(inputs, context)
        held: Scorer = scorer
        return held

    def _open(self, folder: Path, context: Context) -> Generator:
        build: Any = load_code(Kind.BACKENDS, self.backend.name)
        size, dtype = self.backend.batch_size, self.backend.dtype
        if not isinstance(self.backend, Configured):
            plain: Generator = build(folder, self.template, batch_size=size, dtype=dtype)
            return plain
        configured: Generator = build(
            folder,
            self.template,
            batch_size=size,
            dtype=dtype,
            options=self.backend.manner if self.backend.options is None else self.backend.options,
            context=context,
        )
        return configured
