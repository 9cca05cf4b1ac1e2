"""Generate with transformers: batched by length, left-padded, greedy."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig

from lox_bench.backends.batching import budget_of, in_batches
from lox_bench.backends.drawing import GumbelNoise
from lox_bench.backends.ids import (
    read_answer,
    require_positions,
    require_vocabulary,
    seed_of,
    stop_ids,
)
from lox_bench.backends.template import Renderer, Template
from lox_bench.backends.thinning import decode
from lox_bench.devices import compute_dtype, pick_device
from lox_bench.sources.loading import load_model, load_tokenizer
from lox_bench.types import Generated, Progress


class HFGenerator:
    """Answers user messages with a local checkpoint, deterministically (greedy decoding)."""

    def __init__(
        self, path: Path, template: Template, *, batch_size: int = 32, dtype: str = "auto"
    ) -> None:
        """Load the checkpoint in ``path``.

        Args:
            path: a folder in hub layout.
            template: how a user message becomes a prompt.
            batch_size: prompts decoded together.
            dtype: ``auto`` (bfloat16 where the hardware computes in it, else float32), or a
                torch dtype's name.
        """
        self.device = pick_device()
        self.dtype = compute_dtype(self.device) if dtype == "auto" else getattr(torch, dtype)
        self._tokenizer = load_tokenizer(path)
        self._model = load_model(path, self.dtype)
        rows = self._model.get_input_embeddings().weight.shape[0]
        require_vocabulary(rows, self._tokenizer, path)
        self._model.to(self.device).eval()
        self.renderer = Renderer(self._tokenizer, template)
        self._batch_size = batch_size
        self._eos = stop_ids(self._model.generation_config, self._tokenizer, path)
        self._budget = budget_of(
            f"{self.device} {self.dtype} {self._model.config.to_json_string()}"
        )
        # decoding is what the study says: nothing that was saved with the model may add to it
        self._model.generation_config = GenerationConfig()

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
        """What a stage notes of it: the tokens a batch may have, where memory did not hold more."""
        return {"batch_tokens": self._budget.tokens} if self._budget.halved else {}

    def generate(
        self, messages: Sequence[str], *, max_new_tokens: int, progress: Progress
    ) -> list[Generated]:
        """Answer each message; the longest prompts go first so that the ETA only improves."""
        dialogues = [(message,) for message in messages]
        return self.converse(dialogues, max_new_tokens=max_new_tokens, progress=progress)

    def converse(
        self, dialogues: Sequence[Sequence[str]], *, max_new_tokens: int, progress: Progress
    ) -> list[Generated]:
        """Continue dialogues (user and assistant in alternation), like ``generate``."""
        ids = [self.renderer.prompt_ids(*turns) for turns in dialogues]
        return self._answers(
            ids,
            max_new_tokens,
            lambda batch: self._decode([ids[i] for i in batch], max_new_tokens),
            progress,
        )

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
        ids = [self.renderer.prompt_ids(message) for message in messages]
        seeds = [seed_of(message, seed, draw) for message in messages]

        def drawn(batch: list[int]) -> list[Generated]:
            noise = GumbelNoise([seeds[i] for i in batch], temperature, self.device)
            return self._decode([ids[i] for i in batch], max_new_tokens, noise)

        return self._answers(ids, max_new_tokens, drawn, progress)

    def _answers(
        self,
        ids: Sequence[list[int]],
        max_new_tokens: int,
        work: Callable[[list[int]], list[Generated]],
        progress: Progress,
    ) -> list[Generated]:
        """What ``work`` makes of the prompts, batch by batch, in their order."""
        self._require_positions(max(map(len, ids), default=0) + max_new_tokens)
        found: dict[int, Generated] = {}
        for batch in in_batches(
            [len(each) for each in ids],
            max_new_tokens,
            rows=self._batch_size,
            budget=self._budget,
            work=work,
        ):
            found.update(batch)
            progress.step(len(found), len(ids), "answers")
        return [found[index] for index in range(len(ids))]

    def _require_positions(self, tokens: int) -> None:
        most = getattr(self._model.config, "max_position_embeddings", None)
        require_positions(tokens, most if isinstance(most, int) else None)

    @torch.inference_mode()
    def _decode(
        self, batch: list[list[int]], max_new_tokens: int, noise: GumbelNoise | None = None
    ) -> list[Generated]:
        rows = decode(self._model.generate, batch, self._eos, max_new_tokens, self.device, noise)
        return [read_answer(row, self._eos, self._tokenizer) for row in rows]
