"""Generate with vLLM: an engine in a process of its own, which gets token ids and gives them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

from lox_bench.backends.engine import Engine, require_vllm, vllm_version
from lox_bench.backends.ids import (
    read_answer,
    require_positions,
    require_vocabulary,
    seed_of,
    stop_ids,
)
from lox_bench.backends.template import Renderer, Template
from lox_bench.devices import compute_dtype, pick_device
from lox_bench.engine.context import Context
from lox_bench.errors import DataError
from lox_bench.ranges import Range
from lox_bench.sources.layout import weight_files
from lox_bench.sources.loading import (
    load_config,
    load_generation_config,
    load_tokenizer,
    require_readable,
)
from lox_bench.types import Generated, Progress

_GIB: Final = 1 << 30
_LONGEST: Final = 8192  # tokens of prompt and answer that memory is kept for, unless asked


@dataclass(frozen=True, slots=True)
class VllmOptions:
    """How the engine is laid out.

    All of it is part of the key: how many answers are computed together, and on how many devices,
    decides how sums are ordered, and in bfloat16 that changes some of them.

    Attributes:
        tensor_parallel: GPUs that share each layer.
        memory: share of a GPU's memory that the engine takes.
        kv_gib: GiB kept for keys and values on a CPU.
        max_length: longest prompt and answer together, in tokens; 0: as many as the model has
            positions, at most 8192.
    """

    tensor_parallel: Annotated[int, Range(1, 1024)] = 1
    memory: Annotated[float, Range(0, 1, above=True)] = 0.9
    kv_gib: Annotated[float, Range(0, 4096, above=True)] = 2.0
    max_length: Annotated[int, Range(0, 10_000_000)] = 0


class VllmGenerator:
    """Answers user messages with a local checkpoint in a vLLM engine."""

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
        require_vllm()
        self._options = options or VllmOptions()
        weight_files(path)
        require_readable(path)
        config = load_config(path)
        self._tokenizer = load_tokenizer(path)
        require_vocabulary(config.vocab_size, self._tokenizer, path)
        self._stops = stop_ids(load_generation_config(path), self._tokenizer, path)
        self.renderer = Renderer(self._tokenizer, template)
        self._positions = _positions(config)
        self._longest = self._options.max_length or min(self._positions or _LONGEST, _LONGEST)
        self._engine = Engine(self._settings(path, batch_size, dtype))

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
        return {"vllm": vllm_version()}

    @property
    def started_s(self) -> float:
        """Seconds that the engine took to start, imports included."""
        return self._engine.started_s

    def close(self) -> None:
        """End the engine's process; nothing can be asked any more."""
        self._engine.close()

    def generate(
        self, messages: Sequence[str], *, max_new_tokens: int, progress: Progress
    ) -> list[Generated]:
        """Answer each message greedily."""
        rows = self.rows(messages, max_new_tokens=max_new_tokens, progress=progress)
        return [read_answer(row, self._stops, self._tokenizer) for row in rows]

    def rows(
        self, messages: Sequence[str], *, max_new_tokens: int, progress: Progress
    ) -> list[list[int]]:
        """The ids of greedy answers, the one that ends each included."""
        return self._rows(messages, max_new_tokens, 0.0, [None] * len(messages), progress)

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
        rows = self._rows(messages, max_new_tokens, temperature, seeds, progress)
        return [read_answer(row, self._stops, self._tokenizer) for row in rows]

    def _rows(
        self,
        messages: Sequence[str],
        max_new_tokens: int,
        temperature: float,
        seeds: Sequence[int | None],
        progress: Progress,
    ) -> list[list[int]]:
        if not messages:
            return []
        ids = [self.renderer.prompt_ids(message) for message in messages]
        self._require_room(max(map(len, ids)) + max_new_tokens)
        job = {
            "prompts": ids,
            "max_new_tokens": max_new_tokens,
            "temperature": temperature,
            "seeds": list(seeds),
            "stops": self._stops,
        }
        rows: list[list[int]] = self._engine.ask(
            job, lambda done: progress.step(done, len(ids), "answers")
        )
        return rows

    def _require_room(self, tokens: int) -> None:
        require_positions(tokens, self._positions)
        if tokens > self._longest:
            raise DataError(
                f"the longest prompt and its answer may take {tokens} tokens, and the vLLM engine "
                f"has room for {self._longest}: --backend vllm(max_length={tokens})"
            )

    def _settings(self, path: Path, batch_size: int, dtype: str) -> dict[str, Any]:
        """What ``vllm.LLM`` is called with."""
        device, options = pick_device(), self._options
        if dtype == "auto":
            dtype = str(compute_dtype(device)).removeprefix("torch.")
        on_gpu = device.type == "cuda"
        memory = (
            {"gpu_memory_utilization": options.memory}
            if on_gpu
            else {"kv_cache_memory_bytes": int(options.kv_gib * _GIB)}
        )
        return {
            "model": str(path),
            "skip_tokenizer_init": True,  # it gets ids, never text: no second BOS
            "generation_config": "vllm",  # nothing that was saved with the model adds to decoding
            "dtype": dtype,
            "tensor_parallel_size": options.tensor_parallel,
            "max_model_len": self._longest,
            "max_num_seqs": batch_size,
            "enable_prefix_caching": True,
            "enforce_eager": not on_gpu,  # compiling pays on a GPU only
            "seed": 0,
            "disable_log_stats": True,
            **memory,
        }


def _positions(config: Any) -> int | None:
    most = getattr(config, "max_position_embeddings", None)
    return most if isinstance(most, int) else None
