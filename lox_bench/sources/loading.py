"""Load a model or tokenizer from a folder, or say in one line why it cannot be."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from lox_bench.errors import SourceError


def load_model(path: Path, dtype: torch.dtype) -> Any:
    """Load a causal language model in ``dtype``.

    Raises:
        SourceError: the folder holds none that transformers can read.
    """
    with _readable(path, "model"):
        return AutoModelForCausalLM.from_pretrained(path, dtype=dtype)


def empty_model(path: Path) -> Any:
    """The architecture of a causal language model without its weights (on the meta device).

    Raises:
        SourceError: the folder holds none that transformers can read.
    """
    with _readable(path, "model"), torch.device("meta"):
        return AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(path))


def load_tokenizer(path: Path) -> Any:
    """Load a tokenizer; saved again, it does not tell whether we were offline when we did.

    Raises:
        SourceError: the folder holds none that transformers can read.
    """
    with _readable(path, "tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(path)
    for circumstance in ("is_local", "local_files_only"):  # transformers would write them down
        tokenizer.init_kwargs.pop(circumstance, None)
    return tokenizer


@contextmanager
def _readable(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else ""
        raise SourceError(
            f"the {what} in {path} cannot be read ({type(error).__name__}: {reason}); a causal "
            "language model in hub layout was wanted"
        ) from error
