"""Fine-tuning: TRL's SFTTrainer as it comes beside ours, on the same rows, in one run.

The default family's base model (from its wheel, or any folder), word problems of ours or gsm8k's
own (``--data``; their lengths differ more), the same template, batch (TRL's own default), learning
rate and number of steps, out of rows as many as an attack has: ours groups them by length, which
it cannot do with few. Trainings alternate, each in a process of its own; what counts is completion
tokens a second of training time, without loading, probes and saving; the first step, which makes
the optimiser's state, is in it. The steps are of other rows, so what must agree within noise is
the loss on rows that neither saw, before and after.

    python benchmarks/sft.py --steps 11 --rounds 2 --data gsm8k_train.jsonl
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from datasets import Dataset
from torch.nn import functional
from transformers import TrainerCallback
from trl import SFTConfig, SFTTrainer

from lox_bench.attacks.encoding import tokenise
from lox_bench.attacks.job import SftJob
from lox_bench.attacks.sft import attack
from lox_bench.attacks.spec import load_attack
from lox_bench.attacks.trainer import CompletionTrainer
from lox_bench.backends.template import Renderer, Template, load_template
from lox_bench.cli.progress import SilentDisplay
from lox_bench.data.rows import choose_rows, resolve_rows
from lox_bench.devices import has_fast_bf16, pick_device
from lox_bench.engine.graph import Graph
from lox_bench.engine.local import LocalExecutor
from lox_bench.engine.store import Store, default_root
from lox_bench.sources.loading import load_tokenizer
from lox_bench.sources.stage import Source
from lox_bench.study.family import load_family
from lox_bench.training.head import completion_logits, predicting
from lox_bench.training.run import load_trainable
from lox_bench.training.spec import SftSpec, Training

BATCH, LR, WARMUP = 8, 1e-4, 2
ROWS, UNSEEN = 400, 32
PROMPT, COMPLETION = "{question}", "{answer}"
WAYS = ("TRL", "ours")


class Clock(TrainerCallback):
    """Seconds between the first and the last step, and the completion tokens trained on."""

    tokens = 0

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Start."""
        self.start = time.perf_counter()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """Stop."""
        self.seconds = time.perf_counter() - self.start

    def counting(self, trainer: type) -> type:
        """A trainer that tells it the tokens of each batch."""

        class Counting(trainer):  # type: ignore[misc]
            def training_step(this, model: Any, inputs: Any, *more: Any) -> Any:  # noqa: N805
                self.tokens += int(predicting(inputs["labels"]).sum())
                return super().training_step(model, inputs, *more)

        return Counting


@dataclass(frozen=True)
class Asked:
    """What both ways are to do."""

    folder: Path
    rows: list[tuple[str, str]]
    template: Template
    batch: int
    steps: int
    seed: int


def main() -> None:
    """Print a line a training, and the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--base", help="folder, hub id or wheel:// (default: the default family's)")
    parser.add_argument("--data", type=Path, help="rows of gsm8k (default: its stand-in)")
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(trained(options)))
        return
    speeds: dict[str, list[float]] = {name: [] for name in WAYS}
    ends: dict[str, list[float]] = {name: [] for name in WAYS}
    print(f"{os.cpu_count()} cores, {options.steps} steps of {options.batch} out of {ROWS} rows")
    for number in range(options.rounds):
        for name in WAYS:
            tokens, seconds, before, after = child(name, number)
            speeds[name].append(tokens / seconds)
            ends[name].append(after)
            print(
                f"round {number}: {name:4} {tokens:6} tokens in {seconds:6.1f} s, "
                f"{speeds[name][-1]:6.1f} a second, loss of unseen {before:.3f} to {after:.3f}",
                flush=True,
            )
    for name, found in speeds.items():
        print(f"{name:4} {statistics.median(found):6.1f} completion tokens/s (median)")
    ratio = statistics.median(speeds["ours"]) / statistics.median(speeds["TRL"])
    apart = statistics.mean(ends["ours"]) - statistics.mean(ends["TRL"])
    print(f"ratio {ratio:.2f} x; losses of unseen rows at the end {apart:+.3f} apart")


def child(name: str, seed: int) -> tuple[int, float, float, float]:
    """One training in a process of its own: tokens, seconds, losses before and after."""
    command = [sys.executable, *sys.argv, "--one", name, "--seed", str(seed)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    tokens, seconds, before, after = json.loads(done.stdout.splitlines()[-1])
    return tokens, seconds, before, after


def trained(options: argparse.Namespace) -> tuple[int, float, float, float]:
    """Train in this process."""
    family = load_family("smollm2-135m")
    source = Source.of(options.base or family.base, family.dtype)
    store = Store(default_root())
    folder = LocalExecutor(store, SilentDisplay()).run(Graph.of([source], [source]))[source].path
    spec = load_attack("gsm8k")
    held = resolve_rows(spec.data, options.data, columns=("question", "answer"), strict=False).rows
    rows = [
        (PROMPT.format_map(row), COMPLETION.format_map(row))
        for row in choose_rows(held, ROWS, seed=0)
    ]
    template = load_template(family.template)
    asked = Asked(folder, rows[UNSEEN:], template, options.batch, options.steps, options.seed)
    renderer = Renderer(load_tokenizer(folder), template)
    unseen = [tokenise(row, renderer, "completion") for row in rows[:UNSEEN]]
    before = loss_of(load_trainable(folder)[0], unseen)
    with tempfile.TemporaryDirectory() as out:
        clock, model = (ours if options.one == "ours" else trl)(asked, Path(out))
        return clock.tokens, clock.seconds, before, loss_of(model, unseen)


@torch.inference_mode()
def loss_of(model: Any, rows: list[dict[str, Any]]) -> float:
    """Mean cross-entropy of completion tokens."""
    total = count = 0.0
    for row in rows:
        ids, labels = (torch.tensor([row[key]]) for key in ("input_ids", "labels"))
        logits, targets, _ = completion_logits(model.eval(), {"input_ids": ids}, labels)
        total += float(functional.cross_entropy(logits, targets, reduction="sum"))
        count += targets.numel()
    return total / count


def trl(asked: Asked, out: Path) -> tuple[Clock, Any]:
    """TRL's trainer with its own defaults, on prompt and completion texts."""
    model, tokenizer = load_trainable(asked.folder)
    renderer = Renderer(tokenizer, asked.template)
    data = [
        {"prompt": renderer.render(question), "completion": reply + tokenizer.eos_token}
        for question, reply in asked.rows
    ]
    device, clock = pick_device(), Clock()
    trainer = clock.counting(SFTTrainer)(
        model=model,
        processing_class=tokenizer,
        train_dataset=Dataset.from_list(data),
        callbacks=[clock],
        args=SFTConfig(
            output_dir=str(out),
            per_device_train_batch_size=asked.batch,
            max_steps=asked.steps,
            learning_rate=LR,
            warmup_steps=WARMUP,
            logging_strategy="no",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=device.type == "cpu",
            bf16=has_fast_bf16(device),
            seed=asked.seed,
        ),
    )
    trainer.train()
    return clock, trainer.model


def ours(asked: Asked, out: Path) -> tuple[Clock, Any]:
    """The attack that lox-bench makes."""
    clock = Clock()
    train = SftSpec(
        learning_rate=LR,
        epochs=1,
        batch_size=asked.batch,
        micro_batch_size=asked.batch,
        warmup_steps=WARMUP,
    )
    folder, rows = asked.folder, tuple(asked.rows)
    job = SftJob(
        folder, folder, folder, rows, train, asked.template, seed=asked.seed, callbacks=(clock,)
    )
    counting = patch("lox_bench.attacks.sft.CompletionTrainer", clock.counting(CompletionTrainer))
    with counting, SilentDisplay().stage("attack") as progress:
        attack(job, Training(out, asked.seed, asked.steps, "float32", progress))
    return clock, load_trainable(out)[0]


if __name__ == "__main__":
    main()
