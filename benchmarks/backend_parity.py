"""Do two back ends say the same? ``hf`` against ``vllm``, token by token, on one checkpoint.

    python benchmarks/backend_parity.py MODEL_FOLDER [--prompts 50] [--new-tokens 40]

In float32 greedy answers are to be equal but for ties: where two back ends part, the script puts
the common beginning before the model once more and shows how far apart the two tokens' logits
are. In bfloat16 sums of another order change some answers; the share is what stands in
docs/backends.md. Beside it stands what another batch size of ``hf`` alone changes.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from lox_bench.backends.hf import HFGenerator
from lox_bench.backends.template import load_template
from lox_bench.backends.vllm import VllmGenerator
from lox_bench.data.prompts import load_prompts

Ids = tuple[int, ...]


class Spoken:
    """Takes the place of a tokenizer where answers are read: ids instead of words."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def decode(self, ids: Sequence[int], **_: Any) -> str:
        """The ids themselves."""
        return " ".join(map(str, ids))


class Unseen:
    """Nobody watches."""

    def step(self, done: int, total: int, detail: str = "") -> None:
        """Say nothing."""


def answers(generator: Any, prompts: Sequence[str], tokens: int) -> list[Ids]:
    """The ids of greedy answers, without the one that ends them."""
    generator._tokenizer = Spoken(generator._tokenizer)  # noqa: SLF001
    said = generator.generate(prompts, max_new_tokens=tokens, progress=Unseen())
    return [tuple(map(int, item.text.split())) for item in said]


def parting(one: Ids, other: Ids) -> int | None:
    """Where two answers part; ``None`` if they are one."""
    if one == other:
        return None
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def gap(generator: HFGenerator, prompt: str, one: Ids, other: Ids, at: int) -> str:
    """How far apart the two tokens were, for the model in float32."""
    ends = generator._eos[0]  # noqa: SLF001
    tokens = [side[at] if at < len(side) else ends for side in (one, other)]
    ids = generator.renderer.prompt_ids(prompt) + list(one[:at])
    with torch.inference_mode():
        logits = generator._model(torch.tensor([ids])).logits[0, -1].float()  # noqa: SLF001
    first, second = (float(logits[token]) for token in tokens)
    below = int((logits > min(first, second)).sum())
    return (
        f"token {at}: {tokens[0]} at {first:.6f}, {tokens[1]} at {second:.6f}, apart by "
        f"{abs(first - second):.2e} (the lower one is number {below + 1} of {len(logits)})"
    )


def main() -> None:
    """Compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--prompts", type=int, default=50)
    parser.add_argument("--new-tokens", type=int, default=40)
    parser.add_argument("--template", default="chatml")
    parser.add_argument("--dtypes", default="float32,bfloat16")
    options = parser.parse_args()
    template = load_template(options.template)
    held = load_prompts("harmful-eval").prompts
    prompts = [prompt.text for prompt in held[: options.prompts]]
    for dtype in options.dtypes.split(","):
        plain = HFGenerator(options.folder, template, batch_size=50, dtype=dtype)
        said = answers(plain, prompts, options.new_tokens)
        engine = VllmGenerator(options.folder, template, dtype=dtype)
        sides = {"vllm": answers(engine, prompts, options.new_tokens)}
        engine.close()
        if dtype != "float32":
            alone = HFGenerator(options.folder, template, batch_size=8, dtype=dtype)
            sides["hf in batches of 8"] = answers(alone, prompts, options.new_tokens)
        for name, side in sides.items():
            parted = {
                i: at for i in range(len(said)) if (at := parting(said[i], side[i])) is not None
            }
            print(f"{dtype}: hf against {name}: {len(parted)} of {len(said)} differ", flush=True)
            if dtype == "float32":
                for i, at in parted.items():
                    print(f"  {held[i].id}, {gap(plain, prompts[i], said[i], side[i], at)}")


if __name__ == "__main__":
    main()
