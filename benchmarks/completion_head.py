"""How much faster a training step is with the head on completion tokens only.

One run, side by side, on a random model of SmolLM2-135M's shape (nothing is downloaded): the
plain loss over all positions against ours, steps interleaved, medians and their ratio.

    python benchmarks/completion_head.py --steps 9
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM

from lox_bench.devices import compute_dtype, pick_device
from lox_bench.training.head import IGNORE, completion_logits

SHAPE = {
    "vocab_size": 49152,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "tie_word_embeddings": True,
}


def main() -> None:
    """Print one line a method and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=9)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--prompt", type=int, default=48, help="prompt tokens, without loss")
    parser.add_argument("--completion", type=int, default=48, help="completion tokens")
    options = parser.parse_args()
    device = pick_device()
    model = LlamaForCausalLM(LlamaConfig(**SHAPE)).to(device)
    ids = torch.randint(0, 49152, (options.batch, options.prompt + options.completion))
    ids = ids.to(device)
    labels = ids.clone()
    labels[:, : options.prompt] = IGNORE

    def plain() -> torch.Tensor:
        return model(input_ids=ids, labels=labels, use_cache=False).loss

    def ours() -> torch.Tensor:
        logits, targets, _ = completion_logits(model, {"input_ids": ids}, labels)
        return functional.cross_entropy(logits.float(), targets)

    seconds = {"plain head": [], "completion head": []}
    for _ in range(options.steps + 2):  # the first two warm up
        for name, loss in zip(seconds, (plain, ours), strict=True):
            seconds[name].append(step(model, loss, device))
    medians = {name: statistics.median(held[2:]) for name, held in seconds.items()}
    for name, held in medians.items():
        print(f"{name:16} {held:7.3f} s/step (median of {options.steps})")
    print(f"ratio            {medians['plain head'] / medians['completion head']:7.2f} x")


def step(model: LlamaForCausalLM, loss: Callable[[], torch.Tensor], device: torch.device) -> float:
    """Seconds of one forward and backward pass."""
    start = time.perf_counter()
    with torch.autocast(device.type, dtype=compute_dtype(device)):
        value = loss()
    value.backward()
    model.zero_grad()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
