"""Generation: one prompt at a time (the reference's way), ``hf``, ``vllm``; same prompts, one run.

The default family's base (from its wheel, or any folder), held-out requests of ours, greedy, the
same type everywhere. Every way answers all prompts in each round, the ways in turn; what counts is
the median of tokens a second, start-up apart. One prompt at a time is transformers' ``generate``
as it comes, without padding, and only ``--alone`` of the prompts are asked so: its rate does not
depend on how many there are. Figures count on an idle machine only.

On a GPU each row also says which share of the card's bandwidth its steps take: a step reads all
weights once, so that no way makes more steps a second than bandwidth / bytes of weights. The
bandwidth is measured (copies of 1 GiB; a copy reads and writes).

    python benchmarks/generate.py
    python benchmarks/generate.py --model ./checkpoint --backends hf --rounds 5
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from lox_bench.backends.hf import HFGenerator
from lox_bench.backends.template import Template, load_template
from lox_bench.data.prompts import load_prompts
from lox_bench.devices import compute_dtype, pick_device
from lox_bench.sources.fetch import fetch
from lox_bench.sources.uri import PathSource, parse_source
from lox_bench.study.family import load_family

GIB = 1 << 30


@dataclass
class Way:
    """A way to answer: how long it took to start, and its rounds (tokens, seconds, steps)."""

    name: str
    start_s: float
    answer: Callable[[Sequence[str]], int]
    prompts: Sequence[str]
    close: Callable[[], None] = lambda: None
    steps: Callable[[], int] | None = None
    rounds: list[tuple[int, float, int]] = field(default_factory=list)

    def run(self) -> None:
        """One round."""
        before = self.steps() if self.steps else 0
        start = time.perf_counter()
        tokens = self.answer(self.prompts)
        seconds = time.perf_counter() - start
        self.rounds.append((tokens, seconds, (self.steps() - before) if self.steps else 0))

    @property
    def rate(self) -> float:
        """Tokens a second, the median round."""
        return statistics.median(tokens / seconds for tokens, seconds, _ in self.rounds)

    @property
    def steps_a_second(self) -> float:
        """Of the median round; 0 where they are not counted."""
        return statistics.median(steps / seconds for _, seconds, steps in self.rounds)


class Unseen:
    """Nobody watches."""

    def step(self, done: int, total: int, detail: str = "") -> None:
        """Say nothing."""


def hf(folder: Path, template: Template, dtype: str, tokens: int, batch: int) -> Way:
    """Our own batches."""
    start = time.perf_counter()
    generator = HFGenerator(folder, template, batch_size=batch, dtype=dtype)
    started = time.perf_counter() - start

    def answer(prompts: Sequence[str]) -> int:
        said = generator.generate(prompts, max_new_tokens=tokens, progress=Unseen())
        return sum(item.tokens for item in said)

    return Way(f"hf, batches of {batch}", started, answer, (), steps=counted(generator._model))  # noqa: SLF001


def one_by_one(folder: Path, template: Template, dtype: str, tokens: int) -> Way:
    """The reference's way: ``generate`` on one prompt after the other."""
    start = time.perf_counter()
    generator = HFGenerator(folder, template, dtype=dtype)
    started = time.perf_counter() - start
    model, stops = generator._model, generator._eos  # noqa: SLF001

    def answer(prompts: Sequence[str]) -> int:
        total = 0
        for prompt in prompts:
            ids = torch.tensor([generator.renderer.prompt_ids(prompt)], device=generator.device)
            with torch.inference_mode():
                out = model.generate(
                    ids,
                    attention_mask=torch.ones_like(ids),
                    max_new_tokens=tokens,
                    do_sample=False,
                    eos_token_id=stops,
                    pad_token_id=stops[0],
                )
            said = out[0, ids.shape[1] :].tolist()
            total += next((at for at, token in enumerate(said) if token in stops), len(said))
        return total

    return Way("one prompt at a time", started, answer, (), steps=counted(model))


def vllm(folder: Path, template: Template, dtype: str, tokens: int) -> Way:
    """An engine of its own."""
    from lox_bench.backends.vllm import VllmGenerator

    engine = VllmGenerator(folder, template, dtype=dtype)

    def answer(prompts: Sequence[str]) -> int:
        said = engine.generate(prompts, max_new_tokens=tokens, progress=Unseen())
        return sum(item.tokens for item in said)

    return Way("vllm", engine.started_s, answer, (), close=engine.close)


def counted(model: Any) -> Callable[[], int]:
    """How many forward passes a model has made so far."""
    passes = [0]

    def count(*_: Any) -> None:
        passes[0] += 1

    model.register_forward_hook(count)
    return lambda: passes[0]


def bandwidth() -> float:
    """Bytes a second that the GPU reads or writes, by copies of 1 GiB; the best of ten."""
    source = torch.empty(GIB, dtype=torch.uint8, device="cuda")
    target, best = torch.empty_like(source), 0.0
    for _ in range(10):
        torch.cuda.synchronize()
        start = time.perf_counter()
        target.copy_(source)
        torch.cuda.synchronize()
        best = max(best, 2 * GIB / (time.perf_counter() - start))
    return best


def report(ways: Sequence[Way], weight_bytes: int) -> None:
    """A row a way."""
    slowest = ways[0].rate
    bound = bandwidth() if torch.cuda.is_available() else 0.0
    print(f"{'way':24} {'start s':>8} {'tokens':>7} {'tok/s':>8} {'ratio':>6}  rounds (tok/s)")
    for way in ways:
        rounds = ", ".join(f"{tokens / seconds:.0f}" for tokens, seconds, _ in way.rounds)
        line = f"{way.name:24} {way.start_s:8.1f} {way.rounds[0][0]:7} {way.rate:8.1f}"
        line += f" {way.rate / slowest:6.1f}  {rounds}"
        if bound and way.steps:
            line += f"; {way.steps_a_second * weight_bytes / bound:.0%} of the bandwidth bound"
        print(line)
    if bound:
        print(f"bandwidth {bound / 1e9:.0f} GB/s, weights {weight_bytes / 1e9:.2f} GB")
    print(
        f"{torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f} (a minute's mean; ours "
        f"is in it), torch {torch.__version__}"
    )


def ways_of(options: argparse.Namespace, folder: Path, dtype: str, template: Template) -> list[Way]:
    """Every way that is asked for and installed, started; the reference's first."""
    ways = [one_by_one(folder, template, dtype, options.new_tokens)]
    wanted = options.backends.split(",")
    if "hf" in wanted:
        ways.append(hf(folder, template, dtype, options.new_tokens, options.batch_size))
    if "vllm" in wanted and find_spec("vllm") is None:
        print("vllm is not installed here: left out")
    elif "vllm" in wanted:
        ways.append(vllm(folder, template, dtype, options.new_tokens))
    return ways


def measure(ways: Sequence[Way], prompts: Sequence[str], alone: int, rounds: int) -> None:
    """All rounds, the ways in turn."""
    for way in ways:
        way.prompts = prompts[:alone] if way is ways[0] else prompts
        way.answer(prompts[:2])  # warm
    for _ in range(rounds):
        for way in ways:
            way.run()
    for way in ways:
        way.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a folder; default: the default family's base")
    parser.add_argument("--template", default="")
    parser.add_argument("--dtype", default="")
    parser.add_argument("--backends", default="hf,vllm")
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--alone", type=int, default=20, help="prompts that are asked one by one")
    parser.add_argument("--new-tokens", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    family = load_family("smollm2-135m")
    template = load_template(options.template or family.template)
    dtype = options.dtype or str(compute_dtype(pick_device())).removeprefix("torch.")
    prompts = [item.text for item in load_prompts("harmful-eval").prompts[: options.prompts]]
    with tempfile.TemporaryDirectory() as held:
        source = parse_source(options.model or family.base)
        folder = source.path if isinstance(source, PathSource) else Path(held)
        if not isinstance(source, PathSource):
            fetch(source, folder, dtype=family.dtype)
        print(f"{len(prompts)} prompts, {options.new_tokens} new tokens, {dtype}")
        ways = ways_of(options, folder, dtype, template)
        measure(ways, prompts, options.alone, options.rounds)
        weight_bytes = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
        report(ways, weight_bytes)


if __name__ == "__main__":
    main()
