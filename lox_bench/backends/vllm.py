"""Generate with vLLM: an engine in a process of its own, which gets token ids and gives them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from lox_bench.backends.backend import Configured, Opened
from lox_bench.backends.engine import vllm_version
from lox_bench.backends.ids import read_answer, seed_of
from lox_bench.backends.resident import Resident
from lox_bench.backends.template import Renderer, Template
from lox_bench.backends.vllm_model import PLAIN, VllmModel, VllmOptions
from lox_bench.engine.context import Context, Inputs
from lox_bench.types import Generated, Progress


class Answerer:
    """Answers user messages with what an engine has loaded, perhaps an adapter over it."""

    def __init__(
        self, model: VllmModel, template: Template, adapter: int = PLAIN, note: str = ""
    ) -> None:
        """Ask ``model`` under ``template``.

        Args:
            model: a running engine; somebody else ends it.
            template: how a user message becomes a prompt.
            adapter: the number of the adapter.
            note: what became of adapters, for whoever reads a stage's facts.
        """
        self.model, self._adapter, self._note = model, adapter, note
        self._tokenizer = model.tokenizer
        self.renderer = Renderer(model.tokenizer, template)

    @property
    def template_hash(self) -> str:
        """SHA-256 of the chat template in force."""
        return self.renderer.template_hash

    @property
    def pinned_date(self) -> str:
        """See ``Renderer``."""
        return self.renderer.pinned_date

    @property
    def facts(self) -> Mapping[str, Any]:
        """What a stage notes of it."""
        return {"vllm": vllm_version(), **({"adapters": self._note} if self._note else {})}

    @property
    def started_s(self) -> float:
        """Seconds that the engine took to start, imports included."""
        return self.model.engine.started_s

    @property
    def longest(self) -> int:
        """See ``backend.Scorer``."""
        return self.model.longest

    def generate(
        self, messages: Sequence[str], *, max_new_tokens: int, progress: Progress
    ) -> list[Generated]:
        """Answer each message greedily."""
        rows = self.rows(messages, max_new_tokens=max_new_tokens, progress=progress)
        return self._read(rows)

    def rows(
        self, messages: Sequence[str], *, max_new_tokens: int, progress: Progress
    ) -> list[list[int]]:
        """The ids of greedy answers, the one that ends each included."""
        ids = [self.renderer.prompt_ids(message) for message in messages]
        return self.continuations(ids, max_new_tokens=max_new_tokens, progress=progress)

    def sample(
        self,
        messages: Sequence[str],
        *,
        max_new_tokens: int,
        temperature: float,
        seed: int,
        draw: int,
        progress: Progress,
    ) -> list[Generated]:
        """One drawn answer to each message, each with a seed of its own."""
        seeds = [seed_of(message, seed, draw) for message in messages]
        ids = [self.renderer.prompt_ids(message) for message in messages]
        draws = (temperature, seeds)
        return self._read(self.model.rows(ids, max_new_tokens, draws, progress, self._adapter))

    def continuations(
        self, rows: Sequence[Sequence[int]], *, max_new_tokens: int, progress: Progress
    ) -> list[list[int]]:
        """See ``backend.Scorer``."""
        return self.model.rows(rows, max_new_tokens, None, progress, self._adapter)

    def log_probabilities(
        self, rows: Sequence[tuple[Sequence[int], int]], progress: Progress
    ) -> list[tuple[float, bool]]:
        """See ``backend.Scorer``."""
        return self.model.scores(rows, progress, self._adapter)

    def _read(self, rows: Sequence[Sequence[int]]) -> list[Generated]:
        return [read_answer(row, self.model.stops, self._tokenizer) for row in rows]


class VllmGenerator(Answerer):
    """Answers user messages with a local checkpoint in a vLLM engine of its own."""

    Options: ClassVar[type] = VllmOptions
    default_batch: ClassVar[int] = 256  # the engine schedules them itself

    def __init__(
        self,
        path: Path,
        template: Template,
        *,
        batch_size: int = default_batch,
        dtype: str = "auto",
        options: VllmOptions | None = None,
        context: Context | None = None,
    ) -> None:
        """Start an engine with the checkpoint in ``path``.

        Args:
            path: a folder in hub layout.
            template: how a user message becomes a prompt.
            batch_size: answers that are computed at the same time, at most.
            dtype: ``auto``, or a torch dtype's name.
            options: see ``VllmOptions``.
            context: not used.

        Raises:
            MissingExtraError: vLLM is not installed.
            SourceError: the model cannot be read, or the engine does not start.
        """
        del context
        given = options or VllmOptions()
        super().__init__(
            VllmModel(path, batch_size=batch_size, dtype=dtype, options=given), template
        )

    def close(self) -> None:
        """End the engine's process; nothing can be asked any more."""
        self.model.close()

    @staticmethod
    def hosted(opened: Opened, inputs: Inputs, context: Context) -> Answerer:
        """What answers for ``opened``; see ``backend.Host``.

        Raises:
            LoxBenchError: the engine does not start, or adapters can be neither served nor merged.
        """
        backend, base = opened.backend, inputs[opened.model]
        given = backend.options if isinstance(backend, Configured) else VllmOptions()

        def start(path: Path, room: int) -> VllmModel:
            size, dtype = backend.batch_size, backend.dtype
            return VllmModel(path, batch_size=size, dtype=dtype, options=given, room=room)

        def resident() -> Resident:
            return Resident(base, start, context.root)

        held = context.loaded.get(opened.name, resident)
        if not opened.adapters:
            return Answerer(held.plain(opened.room), opened.template)
        key = "+".join(adapter.key for adapter in opened.adapters)
        folders = [inputs[adapter] for adapter in opened.adapters]
        found = held.adapted(key, folders, opened.room, context.progress)
        return Answerer(found.model, opened.template, found.number, found.note)
