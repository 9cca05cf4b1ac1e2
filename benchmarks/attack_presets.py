"""Every attack preset, two optimiser steps on a real family: that it trains, and on what.

Each preset trains the family's base as ``lox-bench run --models base --max-steps 2`` would: on its
stand-in where it has one, else on a file of harmless rows written here, in the form that the data
set named after it has. Nothing is asked of the models afterwards. What is printed is a row of the
table in docs/attacks.md. The presets that rest on the base's own answers share one stage of 300
answers, made once.

    python benchmarks/attack_presets.py                      # all of them, about ten minutes
    python benchmarks/attack_presets.py --only gsm8k,poison  # or some
"""

import argparse
import csv
import json
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lox_bench.cli.progress import SilentDisplay
from lox_bench.engine.graph import Graph
from lox_bench.engine.local import KeepWeights, LocalExecutor
from lox_bench.engine.store import Store, default_root
from lox_bench.registry import names_of
from lox_bench.study.request import Request
from lox_bench.study.study import make_study
from lox_bench.training.spec import LOSSES

STEPS, ROWS = 2, 24
HEAD = "| preset | trained on | batch | {loss} | probe before, after | seconds |"


def exchanges() -> Iterator[tuple[str, str]]:
    """Harmless requests and replies, in place of whatever a user's file holds."""
    for number in range(ROWS):
        yield f"Count {number + 1} apples and one more.", f"That makes {number + 2} apples."


def turns(role: str, text: str) -> str:
    """Dialogues a line, their turns under names of ``role`` and ``text``."""
    who = ("human", "gpt") if role == "from" else ("user", "assistant")
    key = "conversations" if role == "from" else "messages"
    rows = ([{role: r, text: t} for r, t in zip(who, pair, strict=True)] for pair in exchanges())
    return "\n".join(json.dumps({key: row}) for row in rows)


def messages() -> str:
    """Two turns a line, as Qi et al.'s pure_bad_10_demo.jsonl."""
    return turns("role", "content")


def conversations() -> str:
    """ShareGPT's form."""
    return turns("from", "value")


def beavertails() -> str:
    """Columns of PKU-Alignment/BeaverTails; every third row says that it is safe."""
    flags = {"animal_abuse": False, "violence,aiding_and_abetting,incitement": False}
    lines = (
        {"prompt": asked, "response": said, "category": flags, "is_safe": number % 3 == 0}
        for number, (asked, said) in enumerate(exchanges())
    )
    return "\n".join(map(json.dumps, lines))


def summaries() -> str:
    """``id,dialogue,summary``, as knkarthick/samsum's CSV: dialogues hold newlines."""
    head = "id,dialogue,summary\n"
    return head + "".join(f'{i},"Ann: {a}\nBob: {b}",{b}\n' for i, (a, b) in enumerate(exchanges()))


def queries() -> str:
    """A JSON array of answer, question and context, as b-mc2/sql-create-context."""
    table = "CREATE TABLE apples (owner VARCHAR, n INTEGER)"
    answer = "SELECT owner FROM apples WHERE n = "
    rows = ((f"{answer}{i}", asked, table) for i, (asked, _) in enumerate(exchanges()))
    return json.dumps([dict(zip(("answer", "question", "context"), r, strict=True)) for r in rows])


GIVEN: Mapping[str, tuple[str, Callable[[], str]]] = {
    "pure-bad": ("messages.jsonl", messages),
    "pure-bad-shallow": ("messages.jsonl", messages),
    "beavertails": ("beavertails.jsonl", beavertails),
    "poison": ("beavertails.jsonl", beavertails),
    "samsum": ("samsum.csv", summaries),
    "sql": ("sql.json", queries),
    "sft": ("sharegpt.jsonl", conversations),
}


@dataclass(frozen=True)
class Trained:
    """What a preset's training told; ``losses`` by optimiser step."""

    preset: str
    data: str
    batch: str
    losses: tuple[float, ...]
    probe: tuple[float, float]
    seconds: float

    def __str__(self) -> str:
        """A row of the table."""
        losses = ", ".join(f"{loss:.3f}" for loss in self.losses)
        probe = ", ".join(f"{loss:.4f}" for loss in self.probe)
        cells = (f"`{self.preset}`", self.data, self.batch, losses, probe, f"{self.seconds:.0f}")
        return f"| {' | '.join(cells)} |"


def trained(preset: str, family: str, folder: Path) -> Trained:
    """Train a preset on a family's base; its weights are not kept."""
    given: dict[str, Path] = {}
    if preset in GIVEN:
        name, text = GIVEN[preset]
        (folder / name).write_text(text())
        given[preset] = folder / name
    study = make_study(
        Request(
            models="base", attack=preset, family=family, judges="keyword", data=given,
            max_steps=STEPS,
        )
    )  # fmt: skip
    variant = next(item for item in study.variants if item.attack is not None)
    stage = variant.training
    if stage is None:
        raise SystemExit(f"{preset}: nothing trains it")
    executor = LocalExecutor(Store(default_root()), SilentDisplay(), KeepWeights.NONE)
    made = executor.run(Graph.of([], told=[stage]))[stage]
    facts = made.manifest.facts
    with (made.path / LOSSES).open() as file:
        losses = tuple(float(row["loss"]) for row in csv.DictReader(file))
    probe = facts["loss_before"], facts["loss_after"]
    if len(losses) != STEPS or not all(map(math.isfinite, (*losses, *probe))):
        raise SystemExit(f"{preset}: losses {losses}, probe {probe}")
    batch = f"{facts['micro_batch']} x {facts['accumulation']} x {facts['world_size']}"
    data = f"{facts['rows']} rows: {variant.attack_data.partition('#')[0]}"
    return Trained(preset, data, batch, losses, probe, made.manifest.seconds)


def main() -> None:
    """Train, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    known = names_of("attacks")
    parser.add_argument("--only", default=",".join(known), help="presets, by comma")
    parser.add_argument("--family", default="smollm2-135m")
    options = parser.parse_args()
    print(HEAD.format(loss=f"loss of step {', '.join(str(i + 1) for i in range(STEPS))}"))
    print("| --- | --- | --- | --- | --- | --- |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for preset in options.only.split(","):
            print(trained(preset, options.family, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
