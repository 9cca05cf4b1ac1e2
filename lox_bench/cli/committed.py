"""What ships as files that others name: chat templates, prompt files, references of the gate."""

import csv
import io
from collections.abc import Iterator
from importlib import resources

from lox_bench.backends.template import TOKENIZER_TEMPLATE
from lox_bench.cli.catalogue import Item
from lox_bench.data.prompts import load_task
from lox_bench.registry import OURS, Kind, names_of, packaged_file
from lox_bench.results.run import NO_ATTACK
from lox_bench.study.family import load_family


def templates() -> Iterator[Item]:
    """Chat templates, with the families that are asked by them."""
    users: dict[str, list[str]] = {}
    for name in names_of(Kind.FAMILIES):
        users.setdefault(load_family(name).template, []).append(name)
    for name in _files("templates", ".jinja"):
        held = users.get(name)
        yield Item(name, OURS, f"of {', '.join(held)}" if held else "of no family that ships")
    yield Item(TOKENIZER_TEMPLATE, "the model", "the chat template of the model's own tokenizer")


def prompt_sets() -> Iterator[Item]:
    """Files of prompts, and who asks them; how answers are counted, tasks say."""
    asked: dict[str, str] = {}
    for name in names_of(Kind.TASKS):
        task = load_task(name)
        asked |= {task.prompts: f"asked by {name}", task.dev_prompts: f"asked by {name}, split dev"}
    for name in _files("prompts", ".jsonl"):
        text = packaged_file(f"prompts/{name}.jsonl").read_text(encoding="utf-8")
        count = sum(bool(line) for line in text.split("\n"))
        use = asked.get(name, "for training")
        yield Item(name, OURS, f"{count} prompts, {use}")


def references() -> Iterator[Item]:
    """Committed results for ``check --against``: what was measured, on which seeds."""
    from lox_bench.gate.reference import reference_names

    for name in reference_names():
        file = resources.files("lox_bench.assets.results") / f"{name}.csv"
        rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))
        said = {
            "models": _once(row["model"] for row in rows),
            "attacks": _once(row["attack"] for row in rows if row["attack"] != NO_ATTACK),
            "seeds": _once(row["seed"] for row in rows),
            "prompts": _once(row["task"] for row in rows if row["judge_key"]),
        }
        what = "\n".join(f"{head}: {', '.join(held)}" for head, held in said.items() if held)
        yield Item(name, OURS, what)


def _files(folder: str, suffix: str) -> list[str]:
    names = (file.name for file in packaged_file(folder).iterdir())
    return sorted(name.removesuffix(suffix) for name in names if name.endswith(suffix))


def _once(items: Iterator[str]) -> list[str]:
    return list(dict.fromkeys(items))
