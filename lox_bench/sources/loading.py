"""Load a model or tokenizer from a folder, or say in one line why it cannot be."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BitsAndBytesConfig,
    GenerationConfig,
)
from transformers.utils import GENERATION_CONFIG_NAME, logging

from lox_bench.errors import SourceError
from lox_bench.sources.layout import read_model_config, weight_files
from lox_bench.sources.require import require_bitsandbytes
from lox_bench.sources.unloaded import require_loaded


def load_model(path: Path, dtype: torch.dtype) -> Any:
    """Load a causal language model in ``dtype``, every weight of it from the files.

    Raises:
        SourceError: the folder holds none that transformers can read, or its tensors are not the
            architecture's (missing, unexpected or of another shape): nothing is made up.
    """
    return _checked(AutoModelForCausalLM, path, dtype)


def load_quantised(path: Path, kind: str, compute: torch.dtype, device: torch.device) -> Any:
    """Load a causal language model with its linear layers in ``nf4`` or ``int8``.

    Raises:
        MissingExtraError: bitsandbytes, which quantises, is not installed.
        SourceError: see ``load_model``.
    """
    require_bitsandbytes()
    four_bits = {
        "load_in_4bit": True,
        "bnb_4bit_quant_type": kind,
        "bnb_4bit_use_double_quant": True,
        "bnb_4bit_compute_dtype": compute,
    }
    config = BitsAndBytesConfig(**({"load_in_8bit": True} if kind == "int8" else four_bits))
    return _checked(
        AutoModelForCausalLM,
        path,
        compute,
        quantization_config=config,
        device_map={"": device},
    )


def load_classifier(path: Path, dtype: torch.dtype) -> Any:
    """Load a sequence-classification model; see ``load_model``."""
    return _checked(AutoModelForSequenceClassification, path, dtype)


def load_encoder(path: Path, dtype: torch.dtype) -> Any:
    """Load a model without a head, ready to read texts; see ``load_model``."""
    return _checked(AutoModel, path, dtype).eval()


def _checked(auto: Any, path: Path, dtype: torch.dtype, **more: Any) -> Any:
    weight_files(path)
    require_readable(path)
    with _readable(path, "model"), _quietly():
        model, info = auto.from_pretrained(
            path,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,  # so that they are reported, all of them, below
            output_loading_info=True,
            **more,
        )
    require_loaded(path, info)
    return model


def empty_model(path: Path) -> Any:
    """The architecture of a causal language model without its weights (on the meta device).

    Raises:
        SourceError: the folder holds none that transformers can read.
    """
    with _readable(path, "model"), torch.device("meta"):
        config = AutoConfig.from_pretrained(path, trust_remote_code=False)
        return AutoModelForCausalLM.from_config(config, trust_remote_code=False)


def load_generation_config(path: Path) -> Any:
    """What was saved with a model of how it ends its answers, without loading the weights.

    Raises:
        SourceError: the folder holds no model that transformers can read.
    """
    with _readable(path, "model"):
        if (path / GENERATION_CONFIG_NAME).is_file():
            return GenerationConfig.from_pretrained(path)
        config = AutoConfig.from_pretrained(path, trust_remote_code=False)
        return GenerationConfig.from_model_config(config)


def load_config(path: Path) -> Any:
    """The configuration of a model, its text part where it has several.

    Raises:
        SourceError: the folder holds none that transformers can read.
    """
    with _readable(path, "model"):
        return AutoConfig.from_pretrained(path, trust_remote_code=False).get_text_config()


def load_tokenizer(path: Path) -> Any:
    """Load a tokenizer; saved again, it does not tell whether we were offline when we did.

    Raises:
        SourceError: the folder holds none that transformers can read.
    """
    with _readable(path, "tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=False)
    for circumstance in ("is_local", "local_files_only"):  # transformers would write them down
        tokenizer.init_kwargs.pop(circumstance, None)
    return tokenizer


def require_readable(path: Path) -> None:
    """Refuse what only a stranger's code, or a library that is not here, could read.

    Raises:
        SourceError: the model in ``path`` is such, or there is none.
    """
    config = read_model_config(path)
    if config.get("auto_map"):
        raise SourceError(
            f"the model in {path} wants its own Python code run (auto_map in config.json); "
            "lox-bench never does: use a release whose architecture transformers knows"
        )
    quantised = config.get("quantization_config")
    if quantised:
        method = quantised.get("quant_method") if isinstance(quantised, Mapping) else None
        raise SourceError(
            f"the model in {path} is quantised ({method or 'method not said'}); ASR, hardening "
            "and attacks want plain weights: dequantise it and save it again"
        )


@contextmanager
def _quietly() -> Iterator[None]:
    """Without transformers' own table of what did not fit: ours says it in one line."""
    before = logging.get_verbosity()
    logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        logging.set_verbosity(before)


@contextmanager
def _readable(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else ""
        raise SourceError(
            f"the {what} in {path} cannot be read ({type(error).__name__}: {reason}); a causal "
            "language model in hub layout was wanted"
        ) from error
