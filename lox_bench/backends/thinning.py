"""Decoding by transformers' ``generate`` in stretches: rows that have ended leave the batch.

``generate`` computes every row until the last one has ended. A model that refuses ends most of its
answers long before the longest, so that most of what is computed would be padding.
"""

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, Final

import torch
from torch.nn import functional
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer
from transformers.generation.utils import GenerateDecoderOnlyOutput

from lox_bench.backends.drawing import GumbelNoise

_SHARE: Final = 8  # one row of so many has ended: then it is worth to copy the others' cache
_CACHE: Final = next(  # transformers 5.20 gave it another name
    name
    for name in ("cache", "past_key_values")
    if name in {slot.name for slot in fields(GenerateDecoderOnlyOutput)}
)
_THINNABLE: Final = (DynamicLayer, DynamicSlidingWindowLayer)
Generate = Callable[..., Any]


class _Enough(StoppingCriteria):  # type: ignore[misc]
    """Ends a stretch when one row of ``_SHARE`` has ended."""

    def __init__(self, stops: Sequence[int], rows: int) -> None:
        self._stops, self._rows = list(stops), rows

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> Any:
        del scores
        ended = _ended(input_ids, self._stops)
        return (ended.sum() * _SHARE >= self._rows).expand(len(ended))


def decode(
    generate: Generate,
    prompts: Sequence[Sequence[int]],
    stops: Sequence[int],
    max_new_tokens: int,
    device: torch.device,
    noise: GumbelNoise | None = None,
) -> list[list[int]]:
    """The most likely token each time; with noise on the logits that is a drawn one.

    Args:
        generate: of a causal language model of transformers.
        prompts: token ids, one list a row; they are padded on the left.
        stops: tokens that end an answer; the first one pads.
        max_new_tokens: of an answer.
        device: where the model is.
        noise: a generator a row.

    Returns:
        New tokens of each row, which may go on after one that ends it.
    """
    width, pad = max(map(len, prompts)), stops[0]
    tokens = torch.tensor([[pad] * (width - len(ids)) + [*ids] for ids in prompts], device=device)
    shown = [[0] * (width - len(ids)) + [1] * len(ids) for ids in prompts]
    mask = torch.tensor(shown, device=device)
    answers: list[list[int]] = [[] for _ in prompts]
    rows = torch.arange(len(prompts), device=device)
    thins, held = True, dict[str, Any]()
    while len(rows) and (left := max_new_tokens + width - tokens.shape[1]):
        tokens, cache = _stretch(
            generate,
            tokens,
            stopping_criteria=StoppingCriteriaList([_Enough(stops, len(rows))] if thins else []),
            generation_config=GenerationConfig(
                max_new_tokens=left, do_sample=False, eos_token_id=[*stops], pad_token_id=pad
            ),
            attention_mask=mask,
            logits_processor=[noise] if noise is not None else [],
            **held,
        )
        for row, ids in zip(rows.tolist(), tokens[:, width:].tolist(), strict=True):
            answers[row] = ids
        going = (~_ended(tokens, stops)).nonzero().flatten()
        rows, tokens = rows[going], tokens[going]
        mask = functional.pad(mask[going], (0, tokens.shape[1] - mask.shape[1]), value=1)
        if noise is not None:
            noise.keep(going.tolist())
        thins = _is_thinnable(cache)
        if thins and len(rows):
            cache.batch_select_indices(going)
        held = {_CACHE: cache} if thins else {}
    return answers


def _stretch(generate: Generate, tokens: torch.Tensor, **how: Any) -> tuple[torch.Tensor, Any]:
    """The tokens with new ones behind them, and the cache (held by nobody else)."""
    output = generate(input_ids=tokens, return_dict_in_generate=True, **how)
    return output.sequences, output.get(_CACHE)


def _ended(tokens: torch.Tensor, stops: Sequence[int]) -> torch.Tensor:
    """Which rows end with a token that ends an answer, or with the padding after it."""
    return torch.isin(tokens[:, -1], torch.tensor([*stops], device=tokens.device))


def _is_thinnable(cache: Any) -> bool:
    """Whether it holds keys and values a token; states are recomputed from the tokens instead."""
    layers = getattr(cache, "layers", [])
    return bool(layers) and all(type(layer) in _THINNABLE for layer in layers)
