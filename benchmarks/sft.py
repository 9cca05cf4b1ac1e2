"""Fine-tuning: TRL's SFTTrainer as it comes beside ours, on the same rows, in one run.

The default family's base model (from its wheel, or any folder), word problems of ours or gsm8k's
own (``--data``; their lengths differ more), the same template, batch (TRL's own default), learning
rate and number of steps. Trainings alternate, each in a process of its own; what counts is
completion tokens a second of training time, without loading, probes and saving; the first step,
which makes the optimiser's state, is in it. The loss curves must agree within noise: the rows come
in another order, ours being grouped by length.

    python benchmarks/sft.py --steps 10 --rounds 2 --data gsm8k_train.jsonl
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import TrainerCallback
from trl import SFTConfig, SFTTrainer

from lox_bench.attacks.job import SftJob
from lox_bench.attacks.sft import attack
from lox_bench.attacks.spec import load_attack
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
from lox_bench.training.run import load_trainable
from lox_bench.training.spec import SftSpec, Training

BATCH, LR, WARMUP, LAST = 8, 1e-4, 2, 5
PROMPT, COMPLETION = "{question}", "{answer}"
WAYS = ("TRL", "ours")


class Clock(TrainerCallback):
    """Seconds between the first and the last step."""

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Start."""
        self.start = time.perf_counter()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """Stop."""
        self.seconds = time.perf_counter() - self.start


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
    print(f"{os.cpu_count()} cores, {options.steps} steps of {options.batch} rows")
    for number in range(options.rounds):
        for name in WAYS:
            tokens, seconds, losses = child(name, number)
            speeds[name].append(tokens / seconds)
            ends[name].append(statistics.mean(losses[-LAST:]))
            print(
                f"round {number}: {name:4} {seconds:7.1f} s, {tokens / seconds:6.1f} tokens/s, "
                f"loss {losses[0]:.3f} at first, {ends[name][-1]:.3f} over the last {LAST} steps",
                flush=True,
            )
    for name, found in speeds.items():
        print(f"{name:4} {statistics.median(found):6.1f} completion tokens/s (median)")
    ratio = statistics.median(speeds["ours"]) / statistics.median(speeds["TRL"])
    apart = statistics.mean(ends["ours"]) - statistics.mean(ends["TRL"])
    print(f"ratio {ratio:.2f} x; losses at the end {apart:+.3f} apart")


def child(name: str, seed: int) -> tuple[int, float, list[float]]:
    """One training in a process of its own: completion tokens, seconds, losses."""
    command = [sys.executable, *sys.argv, "--one", name, "--seed", str(seed)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    tokens, seconds, losses = json.loads(done.stdout.splitlines()[-1])
    return tokens, seconds, losses


def trained(options: argparse.Namespace) -> tuple[int, float, list[float]]:
    """Train in this process."""
    family = load_family("smollm2-135m")
    source = Source.of(options.base or family.base, family.dtype)
    store = Store(default_root())
    folder = LocalExecutor(store, SilentDisplay()).run(Graph.of([source], [source]))[source].path
    spec = load_attack("gsm8k")
    held = resolve_rows(spec.data, options.data, columns=("question", "answer"), strict=False).rows
    rows = [
        (PROMPT.format_map(row), COMPLETION.format_map(row))
        for row in choose_rows(held, options.batch * options.steps, seed=0)
    ]
    template = load_template(family.template)
    renderer = Renderer(load_tokenizer(folder), template)
    tokens = sum(len(renderer.completion_ids(reply)) for _, reply in rows)
    train = ours if options.one == "ours" else trl
    return tokens, *train(folder, rows, template, options)


def trl(
    folder: Path, rows: list[tuple[str, str]], template: Template, options: argparse.Namespace
) -> tuple[float, list[float]]:
    """TRL's trainer with its own defaults, on prompt and completion texts."""
    model, tokenizer = load_trainable(folder)
    renderer = Renderer(tokenizer, template)
    data = [
        {"prompt": renderer.render(asked), "completion": reply + tokenizer.eos_token}
        for asked, reply in rows
    ]
    device, clock = pick_device(), Clock()
    with tempfile.TemporaryDirectory() as out:
        trainer = SFTTrainer(
            model=model,
            processing_class=tokenizer,
            train_dataset=Dataset.from_list(data),
            callbacks=[clock],
            args=SFTConfig(
                output_dir=out,
                per_device_train_batch_size=options.batch,
                max_steps=options.steps,
                learning_rate=LR,
                warmup_steps=WARMUP,
                logging_steps=1,
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
                use_cpu=device.type == "cpu",
                bf16=has_fast_bf16(device),
                seed=options.seed,
            ),
        )
        trainer.train()
    return clock.seconds, [row["loss"] for row in trainer.state.log_history if "loss" in row]


def ours(
    folder: Path, rows: list[tuple[str, str]], template: Template, options: argparse.Namespace
) -> tuple[float, list[float]]:
    """The attack that lox-bench makes."""
    clock = Clock()
    train = SftSpec(
        learning_rate=LR,
        epochs=1,
        batch_size=options.batch,
        micro_batch_size=options.batch,
        warmup_steps=WARMUP,
    )
    job = SftJob(
        folder, folder, folder, tuple(rows), train, template, seed=options.seed, callbacks=(clock,)
    )
    with tempfile.TemporaryDirectory() as out, SilentDisplay().stage("attack") as progress:
        attack(job, Training(Path(out), options.seed, options.steps, "float32", progress))
        lines = (Path(out) / "loss.csv").read_text().splitlines()[1:]
    return clock.seconds, [float(line.split(",")[1]) for line in lines]


if __name__ == "__main__":
    main()
