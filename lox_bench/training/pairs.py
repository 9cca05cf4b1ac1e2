"""The prompt of a preference pair computed once: both answers stand behind it in one row.

A row is prompt, chosen answer, rejected answer. Positions of both answers go on from the prompt's,
and a mask keeps them from seeing one another, so that every token sees what it would see in a row
of its own. That is exact, and saves the second computing of each prompt, a quarter of the work
where prompts are as long as answers.
"""

from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel

from lox_bench.training.head import IGNORE
from lox_bench.training.quiet import quietly

_PROMPT, _CHOSEN, _REJECTED, _PADDING = range(4)
_WHOLE: Final = "full_attention"
_APART: Final = 1e-3  # relative: rounding stays far below, another answer's tokens far above


@dataclass(frozen=True, slots=True)
class Joined:
    """Pairs as rows ``(pairs, length)``.

    ``labels`` lack the first token of each rejected answer, which no token beside it predicts;
    ``predicted_by`` says for each labelled token of the pairs' own rows, in their order, which
    of the logits that ``labels`` ask for predicts it.
    """

    inputs: dict[str, Any]
    labels: Tensor
    predicted_by: Tensor


def is_paired(inputs: dict[str, Any], labels: Tensor) -> bool:
    """Whether rows are ids padded on the right: chosen ones, then rejected with the same prompts.

    Every row has to have a prompt, and an answer that is labelled as a whole.
    """
    if set(inputs) != {"input_ids", "attention_mask"} or len(labels) % 2:
        return False
    labelled, lengths = labels != IGNORE, inputs["attention_mask"].sum(1)
    starts = labelled.int().argmax(1)
    places = torch.arange(labels.shape[1], device=labels.device)
    answers = (places >= starts[:, None]) & (places < lengths[:, None])
    if not bool((starts > 0).all() and torch.equal(answers, labelled)):
        return False
    (one, other), (first, second) = starts.chunk(2), inputs["input_ids"].chunk(2)
    return torch.equal(one, other) and not bool(((first != second) & (places < one[:, None])).any())


def joined(inputs: dict[str, Any], labels: Tensor) -> Joined:
    """Rows for which ``is_paired`` holds, a row a pair."""
    ids, device = inputs["input_ids"], labels.device
    pairs, lengths = len(ids) // 2, inputs["attention_mask"].sum(1).tolist()
    starts = (labels != IGNORE).int().argmax(1).tolist()
    tokens, wanted, places, kinds = [], [], [], []
    chosen_by, rejected_by, seen = list[int](), list[int](), 0
    for chosen in range(pairs):
        rejected, start = chosen + pairs, starts[chosen]
        one, other = lengths[chosen] - start, lengths[rejected] - start
        tokens.append(torch.cat([ids[chosen, : start + one], ids[rejected, start : start + other]]))
        behind = labels[rejected, start : start + other].clone()
        behind[0] = IGNORE
        wanted.append(torch.cat([labels[chosen, : start + one], behind]))
        places.append(torch.tensor([*range(start + one), *range(start, start + other)]))
        kinds.append(torch.tensor([_PROMPT] * start + [_CHOSEN] * one + [_REJECTED] * other))
        chosen_by += range(seen, seen + one)
        rejected_by += [seen, *range(seen + one, seen + one + other - 1)]
        seen += one + other - 1
    kind = pad_sequence(kinds, batch_first=True, padding_value=_PADDING).to(device)
    return Joined(
        inputs={
            "input_ids": pad_sequence(tokens, batch_first=True),
            "position_ids": pad_sequence(places, batch_first=True).to(device),
            "attention_mask": _seen(kind),
        },
        labels=pad_sequence(wanted, batch_first=True, padding_value=IGNORE),
        predicted_by=torch.tensor(chosen_by + rejected_by, device=device),
    )


def _seen(kind: Tensor) -> Tensor:
    """``(pairs, 1, length, length)``: what each token sees, the prompt and what is of its kind."""
    before = torch.ones(kind.shape[1], kind.shape[1], dtype=torch.bool, device=kind.device).tril()
    alike = (kind[:, None] == _PROMPT) | (kind[:, None] == kind[:, :, None])
    return (before & alike)[:, None]


def takes_masks(model: PreTrainedModel) -> bool:
    """Whether the model computes an answer as if the other one were not there.

    Attention that has a window, or is none, or knows other masks, does not; the others are asked.
    """
    config = model.config
    kinds = getattr(config, "layer_types", None) or [_WHOLE]
    if config._attn_implementation != "sdpa" or set(kinds) != {_WHOLE}:  # noqa: SLF001
        return False
    if getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True):
        return False
    ids = torch.tensor([[0, 1, 2, 3, 1], [0, 1, 4, 2, 3]], device=model.device)
    mask = torch.ones_like(ids)
    mask[0, -1] = 0
    labels = ids.masked_fill(mask == 0, IGNORE)
    labels[:, :2] = IGNORE
    pair = joined({"input_ids": ids, "attention_mask": mask}, labels)
    with quietly(model), torch.no_grad():
        alone = model(input_ids=ids[1:], use_cache=False).logits[0, 2:].float()
        found = model(**pair.inputs, use_cache=False).logits[0, 4:].float()
    return float((found - alone).abs().max()) <= _APART * float(alone.abs().max())
