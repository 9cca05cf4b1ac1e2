"""Rows end to end in one sequence: no padding, and none of them sees another.

Which rows go together is TRL's best-fit-decreasing. What keeps them apart are their positions,
which begin at 0 with every row: transformers makes a block-diagonal mask of that. A model that does
not would mix rows without a word, so it is asked first.
"""

from collections.abc import Sequence
from typing import Any, Final

import torch
from datasets import Dataset, disable_progress_bars, enable_progress_bars
from datasets.utils import are_progress_bars_disabled
from torch.nn.utils.rnn import pad_sequence
from trl.data_utils import pack_dataset

from lox_bench.errors import UsageError
from lox_bench.training.head import IGNORE

Example = dict[str, list[int]]
_APART: Final = 1e-3  # relative: rounding stays far below, another row's tokens far above


def packed(examples: Sequence[Example], longest: int) -> list[Example]:
    """Rows of ids and labels as fewer, longer ones with ``position_ids``; none over ``longest``.

    The first token of a row has no loss: what stands before it is another row.
    """
    shown = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        held = pack_dataset(Dataset.from_list(list(examples)), longest, strategy="bfd")
    finally:
        if shown:
            enable_progress_bars()
    return [_placed(row) for row in held]


def _placed(row: dict[str, Any]) -> Example:
    starts = [0]
    for length in row["seq_lengths"][:-1]:
        starts.append(starts[-1] + length)
    first = set(starts)
    return {
        "input_ids": list(row["input_ids"]),
        "labels": [IGNORE if i in first else label for i, label in enumerate(row["labels"])],
        "position_ids": [place for length in row["seq_lengths"] for place in range(length)],
    }


class PackedCollator:
    """Sequences as a batch without an attention mask: padding is rows of one token behind."""

    def __init__(self, tokenizer: Any) -> None:
        """Pad with the tokenizer's token."""
        self.tokenizer = tokenizer

    def __call__(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        """``(batch, longest)`` ids, labels and positions; a row without positions is one row."""
        fill = {"input_ids": self.tokenizer.pad_token_id, "labels": IGNORE, "position_ids": 0}
        rows = [{"position_ids": [*range(len(row["input_ids"]))], **row} for row in examples]
        return {
            key: pad_sequence(
                [torch.tensor(row[key]) for row in rows], batch_first=True, padding_value=value
            )
            for key, value in fill.items()
        }


@torch.no_grad()
def require_apart(model: Any, examples: Sequence[Example]) -> None:
    """Refuse a model to which packed rows are not apart.

    Raises:
        UsageError: its answer to a row depends on the row packed before it.
    """
    alone = torch.tensor([examples[-1]["input_ids"]], device=model.device)
    before = examples[0]["input_ids"]
    together = torch.tensor([[*before, *examples[-1]["input_ids"]]], device=model.device)
    places = [*range(len(before)), *range(alone.shape[1])]
    wanted = model(input_ids=alone, use_cache=False).logits[0]
    found = model(
        input_ids=together,
        position_ids=torch.tensor([places], device=model.device),
        use_cache=False,
    ).logits[0, len(before) :]
    if float((found - wanted).abs().max()) > _APART * float(wanted.abs().max()):
        raise UsageError(
            f"packing=yes: in a {type(model).__name__} packed rows see one another; "
            "leave packing out"
        )
