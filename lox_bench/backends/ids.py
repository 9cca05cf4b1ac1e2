"""Token ids in and out: which ids end an answer, which a model can take, what an answer says.

Every back end that holds a checkpoint goes through here, so that none ends an answer elsewhere.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lox_bench.errors import DataError, SourceError
from lox_bench.types import Finish, Generated


def stop_ids(generation_config: Any, tokenizer: Any, path: Path) -> list[int]:
    """End-of-turn tokens: the tokenizer's first, then those the generation config adds.

    Raises:
        SourceError: there are none.
    """
    configured = generation_config.eos_token_id
    extra = configured if isinstance(configured, list) else [configured]
    ordered = [tokenizer.eos_token_id, *extra]
    stops = list(dict.fromkeys(token for token in ordered if token is not None))
    if not stops:
        raise SourceError(
            f"neither the tokenizer nor the generation config in {path} names an end-of-sequence "
            "token, so no answer would ever end; set eos_token in tokenizer_config.json"
        )
    return stops


def require_vocabulary(rows: int, tokenizer: Any, path: Path) -> None:
    """Refuse a tokenizer that knows tokens for which the model has no embedding.

    Args:
        rows: of the model's input embeddings.
        tokenizer: of transformers.
        path: the model's folder.

    Raises:
        SourceError: it does.
    """
    highest = max(tokenizer.get_vocab().values(), default=0)
    if highest >= rows:
        raise SourceError(
            f"the tokenizer in {path} knows the token {highest}, but the model has embeddings for "
            f"{rows} only: they do not belong together"
        )


def require_positions(tokens: int, most: int | None) -> None:
    """Refuse to leave the positions that the model was made for, where it talks nonsense.

    Raises:
        DataError: ``tokens`` are more than ``most``.
    """
    if most is not None and tokens > most:
        raise DataError(
            f"the longest prompt and its answer may take {tokens} tokens, but the model has "
            f"only {most} positions; ask for fewer new tokens, or leave long prompts out"
        )


def read_answer(row: Sequence[int], stops: Sequence[int], tokenizer: Any) -> Generated:
    """The answer in generated ids: what comes before the first that ends it."""
    ends = [position for position, token in enumerate(row) if token in stops]
    length = ends[0] if ends else len(row)
    text = tokenizer.decode(row[:length], skip_special_tokens=True)
    return Generated(
        text=text.strip(), tokens=length, finish=Finish.STOP if ends else Finish.LENGTH
    )


def seed_of(message: str, seed: int, draw: int) -> int:
    """The seed that one answer is drawn with, in [0, 2^31): the same in whatever company."""
    text = f"{seed}:{draw}:{message}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
