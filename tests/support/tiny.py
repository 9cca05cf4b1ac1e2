"""Tiny random models of several architectures, for what must hold whatever the model is."""

from typing import Any

import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
)

TINY: dict[str, Any] = {
    "vocab_size": 320,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


def llama(attention: str = "sdpa", **changes: Any) -> Any:
    """Attention to everything before."""
    torch.manual_seed(0)
    config = LlamaConfig(**TINY | changes)
    return LlamaForCausalLM._from_config(config, attn_implementation=attention).eval()


def windowed(**changes: Any) -> Any:
    """Attention to the last six tokens."""
    torch.manual_seed(0)
    return MistralForCausalLM(MistralConfig(**TINY | changes, sliding_window=6)).eval()


def states(**changes: Any) -> Any:
    """No attention."""
    torch.manual_seed(0)
    sizes = {"vocab_size": 320, "hidden_size": 32, "num_hidden_layers": 2}
    return MambaForCausalLM(MambaConfig(**sizes | changes)).eval()
