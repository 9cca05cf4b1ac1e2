"""A DPO step on preference pairs: each row by itself, short and long rows apart, each prompt once.

One run, side by side, on a random model of SmolLM2-135M's shape (nothing is downloaded). Lengths
are drawn around those of the default family's pairs: half of the answers are refusals. All ways
have the head on completion tokens only; what is timed is a forward and a backward pass.

    python benchmarks/dpo_pairs.py --steps 5
    python benchmarks/dpo_pairs.py --prompt 180 --short 60 --long 120    # more like HH-RLHF
"""

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from completion_head import SHAPE
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from lox_bench.devices import pick_device
from lox_bench.training.fused import fused, fused_rows
from lox_bench.training.head import IGNORE
from lox_bench.training.pairs import takes_masks

_LOWEST = 5  # below are tokens that end or pad
Way = Callable[[dict[str, Any], Tensor], Any]


def main() -> None:
    """Print a line a way: seconds, and how many times the first way's."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--pairs", type=int, default=16, help="in a step")
    parser.add_argument("--prompt", type=int, default=19, help="tokens, as the others on average")
    parser.add_argument("--short", type=int, default=12, help="tokens of a refusal")
    parser.add_argument("--long", type=int, default=39, help="tokens of an answer")
    options = parser.parse_args()
    model = LlamaForCausalLM(LlamaConfig(**SHAPE)).to(pick_device())
    if not takes_masks(model):
        sys.exit("this model cannot compute a pair's prompt once")
    ways: dict[str, Way] = {
        "each row by itself": lambda inputs, labels: fused_rows(model.forward, inputs, labels),
        "short and long rows apart": lambda inputs, labels: fused(
            model.forward, {**inputs, "labels": labels}, shares=False
        ),
        "each prompt once": lambda inputs, labels: fused(
            model.forward, {**inputs, "labels": labels}, shares=True
        ),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(options.steps + 1):  # the first one warms up
        inputs, labels = batch(options, random.Random(number))  # noqa: S311 - lengths
        for name, way in ways.items():
            seconds[name].append(step(model, way, inputs, labels))
    medians = {name: statistics.median(held[1:]) for name, held in seconds.items()}
    first = next(iter(medians.values()))
    for name, held in medians.items():
        print(
            f"{name:26} {held:7.2f} s/step (median of {options.steps})  {first / held:5.2f} times"
        )
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")


def batch(options: argparse.Namespace, rng: random.Random) -> tuple[dict[str, Any], Tensor]:
    """As TRL's collator makes it: chosen rows, then rejected ones, padded on the right."""

    def tokens(mean: int) -> list[int]:
        return [
            rng.randrange(_LOWEST, SHAPE["vocab_size"])
            for _ in range(rng.randint(max(1, mean // 2), mean + mean // 2))
        ]

    prompts = [tokens(options.prompt) for _ in range(options.pairs)]
    answers = [[tokens(options.short), tokens(options.long)] for _ in prompts]
    for pair in answers:
        rng.shuffle(pair)
    rows = [
        (prompt, pair[place])
        for place in (0, 1)
        for prompt, pair in zip(prompts, answers, strict=True)
    ]
    width = max(len(prompt) + len(answer) for prompt, answer in rows)

    def padded(row: list[int], value: int) -> list[int]:
        return row + [value] * (width - len(row))

    device = pick_device()
    ids = torch.tensor([padded(prompt + answer, 0) for prompt, answer in rows], device=device)
    mask = torch.tensor([padded([1] * len(a + b), 0) for a, b in rows], device=device)
    labels = [padded([IGNORE] * len(prompt) + answer, IGNORE) for prompt, answer in rows]
    return {"input_ids": ids, "attention_mask": mask}, torch.tensor(labels, device=device)


def step(model: Any, way: Way, inputs: dict[str, Any], labels: Tensor) -> float:
    """Seconds of a forward and a backward pass."""
    start = time.perf_counter()
    way(inputs, labels).log_probs.sum().backward()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    taken = time.perf_counter() - start
    model.zero_grad(set_to_none=True)
    return taken


if __name__ == "__main__":
    main()
