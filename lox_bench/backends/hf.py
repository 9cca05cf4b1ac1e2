"""Generate with transformers: batched by length, left-padded, greedy."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig

from lox_bench.backends.template import Renderer, Template
from lox_bench.devices import compute_dtype, pick_device
from lox_bench.errors import DataError, SourceError
from lox_bench.sources.loading import load_model, load_tokenizer
from lox_bench.types import Finish, Generated, Progress


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
        _require_vocabulary(self._model, self._tokenizer, path)
        self._model.to(self.device).eval()
        self.renderer = Renderer(self._tokenizer, template)
        self._batch_size = batch_size
        self._eos = _stop_ids(self._model, self._tokenizer, path)
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
        self._require_positions(max(map(len, ids), default=0) + max_new_tokens)
        answers: list[Generated | None] = [None] * len(ids)
        done = 0
        for batch in _batches_by_length(ids, self._batch_size):
            for index, answer in zip(
                batch, self._decode([ids[i] for i in batch], max_new_tokens), strict=True
            ):
                answers[index] = answer
            done += len(batch)
            progress.step(done, len(ids), "answers")
        return [answer for answer in answers if answer is not None]

    def _require_positions(self, tokens: int) -> None:
        """Refuse to leave the positions that the model was made for, where it talks nonsense."""
        most = getattr(self._model.config, "max_position_embeddings", None)
        if isinstance(most, int) and tokens > most:
            raise DataError(
                f"the longest prompt and its answer may take {tokens} tokens, but the model has "
                f"only {most} positions; ask for fewer new tokens, or leave long prompts out"
            )

    @torch.inference_mode()
    def _decode(self, batch: list[list[int]], max_new_tokens: int) -> list[Generated]:
        width = max(len(ids) for ids in batch)
        pad = self._eos[0]
        tokens = torch.tensor([[pad] * (width - len(ids)) + ids for ids in batch])
        mask = torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in batch])
        config = GenerationConfig(
            max_new_tokens=max_new_tokens, do_sample=False, eos_token_id=self._eos, pad_token_id=pad
        )
        output = self._model.generate(
            input_ids=tokens.to(self.device),
            attention_mask=mask.to(self.device),
            generation_config=config,
        )
        return [self._read(row) for row in output[:, width:].tolist()]

    def _read(self, row: list[int]) -> Generated:
        ends = [position for position, token in enumerate(row) if token in self._eos]
        length = ends[0] if ends else len(row)
        text = self._tokenizer.decode(row[:length], skip_special_tokens=True)
        return Generated(
            text=text.strip(), tokens=length, finish=Finish.STOP if ends else Finish.LENGTH
        )


def _batches_by_length(ids: Sequence[Sequence[int]], size: int) -> Iterator[list[int]]:
    order = sorted(range(len(ids)), key=lambda i: (-len(ids[i]), i))
    for start in range(0, len(order), size):
        yield order[start : start + size]


def _stop_ids(model: Any, tokenizer: Any, path: Path) -> list[int]:
    """End-of-turn tokens: the tokenizer's first, then those the generation config adds."""
    configured = model.generation_config.eos_token_id
    extra = configured if isinstance(configured, list) else [configured]
    ordered = [tokenizer.eos_token_id, *extra]
    stops = list(dict.fromkeys(token for token in ordered if token is not None))
    if not stops:
        raise SourceError(
            f"neither the tokenizer nor the generation config in {path} names an end-of-sequence "
            "token, so no answer would ever end; set eos_token in tokenizer_config.json"
        )
    return stops


def _require_vocabulary(model: Any, tokenizer: Any, path: Path) -> None:
    """Refuse a tokenizer that knows tokens for which the model has no embedding."""
    rows = model.get_input_embeddings().weight.shape[0]
    highest = max(tokenizer.get_vocab().values(), default=0)
    if highest >= rows:
        raise SourceError(
            f"the tokenizer in {path} knows the token {highest}, but the model has embeddings for "
            f"{rows} only: they do not belong together"
        )
