"""A checkpoint in a vLLM engine: token ids in, ids or log-probabilities out, adapters over it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

from lox_bench.backends.engine import Engine, require_vllm
from lox_bench.backends.ids import require_positions, require_vocabulary, stop_ids
from lox_bench.devices import compute_dtype, pick_device
from lox_bench.engine.stage import LATER
from lox_bench.errors import DataError, LoxBenchError
from lox_bench.ranges import Range
from lox_bench.sources.layout import weight_files
from lox_bench.sources.loading import (
    empty_model,
    load_config,
    load_generation_config,
    load_tokenizer,
    require_readable,
)
from lox_bench.types import Progress

_GIB: Final = 1 << 30
_LONGEST: Final = 8192  # tokens of prompt and answer that memory is kept for, unless asked
_RANKS: Final = (8, 16, 32, 64, 128, 256, 320, 512)  # what vLLM's ``max_lora_rank`` can be
MOST_RANK: Final = _RANKS[-1]
_HELD: Final = 8  # adapters that stay in memory; others are read again when they are asked for
_LINEAR: Final = ("Linear", "Conv1D")  # torch's, and that of GPT-2
_SCORED: Final = 2048  # rows scored at a time: vLLM holds several objects a token
PLAIN: Final = 0  # the number of no adapter


class AdapterRefusedError(LoxBenchError):
    """The engine does not take an adapter; the message says why."""


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
        adapters: whether LoRA adapters are served over one loaded base; else they are merged, and
            each merged model is loaded by itself.
    """

    hosts: ClassVar[bool] = True  # see ``backend.Host``

    tensor_parallel: Annotated[int, Range(1, 1024)] = 1
    memory: Annotated[float, Range(0, 1, above=True)] = 0.9
    kv_gib: Annotated[float, Range(0, 4096, above=True)] = 2.0
    max_length: Annotated[int, Range(0, 10_000_000)] = 0
    adapters: bool = field(default=True, metadata=LATER)


class VllmModel:
    """A checkpoint in an engine, and what is known of it without the engine."""

    def __init__(
        self, path: Path, *, batch_size: int, dtype: str, options: VllmOptions, room: int = 0
    ) -> None:
        """Start an engine with the checkpoint in ``path``.

        Args:
            path: a folder in hub layout.
            batch_size: rows that are computed at the same time, at most.
            dtype: ``auto``, or a torch dtype's name.
            options: see ``VllmOptions``.
            room: the highest rank of adapters to be served; 0: none are.

        Raises:
            MissingExtraError: vLLM is not installed.
            SourceError: the model cannot be read, or the engine does not start.
        """
        require_vllm()
        self.path = path
        weight_files(path)
        require_readable(path)
        config = load_config(path)
        self.tokenizer = load_tokenizer(path)
        require_vocabulary(config.vocab_size, self.tokenizer, path)
        self.stops = stop_ids(load_generation_config(path), self.tokenizer, path)
        self._positions = _positions(config)
        self.longest = options.max_length or min(self._positions or _LONGEST, _LONGEST)
        self.room = next((rank for rank in _RANKS if rank >= room), MOST_RANK) if room else 0
        self._taken: dict[int, str] = {}
        self.engine = Engine(self._settings(path, batch_size, dtype, options))

    def close(self) -> None:
        """End the engine's process; nothing can be asked any more."""
        self.engine.close()

    def take(self, number: int, folder: Path) -> None:
        """Load an adapter, to be asked by ``number`` (1 and up); the folder stays as it is.

        Raises:
            AdapterRefusedError: the engine does not serve it.
            SourceError: the engine is gone.
        """
        if number in self._taken:
            return
        refused = self.engine.ask({"take": {"number": number, "folder": str(folder)}}, _ignored)
        if refused:
            raise AdapterRefusedError(refused)
        self._taken[number] = str(folder)

    def rows(
        self,
        prompts: Sequence[Sequence[int]],
        max_new_tokens: int,
        draws: tuple[float, Sequence[int | None]] | None,
        progress: Progress,
        adapter: int = PLAIN,
    ) -> list[list[int]]:
        """The ids of answers, the one that ends each included.

        Args:
            prompts: token ids.
            max_new_tokens: after which an answer is cut.
            draws: temperature, and a seed for each prompt; ``None``: greedy.
            progress: is told answers.
            adapter: the number of one that was taken.

        Raises:
            DataError: a prompt and its answer are too long.
            SourceError: the engine failed.
        """
        if not prompts:
            return []
        self._require_room(max(map(len, prompts)) + max_new_tokens)
        temperature, seeds = draws or (0.0, [None] * len(prompts))
        job = {
            "prompts": [list(ids) for ids in prompts],
            "max_new_tokens": max_new_tokens,
            "temperature": temperature,
            "seeds": list(seeds),
            "stops": self.stops,
            **self._over(adapter),
        }
        rows: list[list[int]] = self.engine.ask(
            job, lambda done: progress.step(done, len(prompts), "answers")
        )
        return rows

    def scores(
        self,
        rows: Sequence[tuple[Sequence[int], int]],
        progress: Progress,
        adapter: int = PLAIN,
    ) -> list[tuple[float, bool]]:
        """See ``backend.Scorer``.

        Raises:
            DataError: a row is too long.
            SourceError: the engine failed.
        """
        if not rows:
            return []
        self._require_room(max(len(ids) for ids, _ in rows) + 1)
        found: list[tuple[float, bool]] = []
        for start in range(0, len(rows), _SCORED):
            part = rows[start : start + _SCORED]
            job = {
                "prompts": [list(ids) for ids, _ in part],
                "scored": [count for _, count in part],
                **self._over(adapter),
            }
            told = _after(len(found), len(rows), progress)
            found += [(total, likeliest) for total, likeliest in self.engine.ask(job, told)]
        return found

    def _over(self, adapter: int) -> Mapping[str, Any]:
        if adapter == PLAIN:
            return {}
        return {"adapter": {"number": adapter, "folder": self._taken[adapter]}}

    def _require_room(self, tokens: int) -> None:
        require_positions(tokens, self._positions)
        if tokens > self.longest:
            raise DataError(
                f"the longest prompt and its answer may take {tokens} tokens, and the vLLM engine "
                f"has room for {self.longest}: --backend vllm(max_length={tokens})"
            )

    def _settings(
        self, path: Path, batch_size: int, dtype: str, options: VllmOptions
    ) -> dict[str, Any]:
        """What ``vllm.LLM`` is called with."""
        device = pick_device()
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
            "max_model_len": self.longest,
            "max_num_seqs": batch_size,
            "enable_prefix_caching": True,
            "enforce_eager": not on_gpu,  # compiling pays on a GPU only
            "seed": 0,
            "disable_log_stats": True,
            **memory,
            **(_adapter_settings(path, self.room) if self.room else {}),
        }


def _adapter_settings(path: Path, room: int) -> dict[str, Any]:
    return {
        "enable_lora": True,
        "lora_target_modules": _linear(path),
        "max_loras": 1,  # one variant is asked at a time
        "max_cpu_loras": _HELD,
        "max_lora_rank": room,
    }


def _linear(path: Path) -> list[str] | None:
    """The linear modules below the head, by the last part of their names; all where experts are.

    With adapters for the head, vLLM cannot tell log-probabilities of prompts.
    """
    model = empty_model(path)
    head = model.get_output_embeddings()
    names = {
        name.rpartition(".")[2]
        for name, module in model.named_modules()
        if type(module).__name__ in _LINEAR and module is not head
    }
    stacks = any("expert" in name for name, _ in model.named_modules())
    return None if stacks else sorted(names)


def _positions(config: Any) -> int | None:
    most = getattr(config, "max_position_embeddings", None)
    return most if isinstance(most, int) else None


def _ignored(_: int) -> None:
    """Nobody waits long."""


def _after(before: int, total: int, progress: Progress) -> Callable[[int], None]:
    return lambda done: progress.step(before + done, total, "rows")
