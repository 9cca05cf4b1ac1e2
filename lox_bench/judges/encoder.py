"""A small sentence encoder, carried by a wheel: texts in, vectors of unit length out."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from lox_bench.sources.loading import load_encoder, load_tokenizer
from lox_bench.sources.members import fetch_files
from lox_bench.sources.uri import parse_pinned
from lox_bench.types import Progress

_LONGEST: Final = 256  # tokens of a text that are read
_BATCH: Final = 32


@dataclass(frozen=True, slots=True)
class Encoder:
    """Mean of the last hidden states over a text's tokens, normalised (Sentence-BERT's way)."""

    model: Any
    tokenizer: Any

    def embed(self, texts: Sequence[str], progress: Progress) -> NDArray[Any]:
        """``(n, d)``; equal texts are read once, and long ones together."""
        distinct = sorted(set(texts), key=lambda text: (len(text), text))
        found: dict[str, NDArray[Any]] = {}
        for start in range(0, len(distinct), _BATCH):
            batch = distinct[start : start + _BATCH]
            found.update(zip(batch, self._embedded(batch), strict=True))
            progress.step(len(found), len(distinct), "texts read")
        return np.stack([found[text] for text in texts])

    @torch.inference_mode()
    def _embedded(self, batch: Sequence[str]) -> NDArray[Any]:
        tokens = self.tokenizer(
            [text or " " for text in batch],
            padding=True,
            truncation=True,
            max_length=_LONGEST,
            return_tensors="pt",
        )
        states = self.model(**tokens).last_hidden_state
        mask = tokens["attention_mask"][..., None]
        means = (states * mask).sum(1) / mask.sum(1)
        vectors: NDArray[Any] = functional.normalize(means, dim=-1).double().numpy()
        return vectors


@lru_cache(maxsize=1)  # judging takes turns with generation, and would load it every time
def open_encoder(uris: tuple[str, ...], cache: Path) -> Encoder:
    """The encoder whose pinned files these are; fetched into ``cache`` once, loaded once.

    Raises:
        SourceError: a file cannot be had or is not the pinned one.
    """
    folder = fetch_files([parse_pinned(uri) for uri in uris], cache)
    return Encoder(load_encoder(folder, torch.float32), load_tokenizer(folder))
