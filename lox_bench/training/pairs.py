"""Preference pairs: the base's own answers against short refusals, or a set that exists already.

On-policy: harmful requests prefer a refusal to the base's own answer, benign ones the reverse.
Nobody writes a harmful answer; the base's own stay in the store and are never published.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lox_bench.data import PromptSet, parse_jsonl
from lox_bench.errors import DataError
from lox_bench.specs import DpoSpec, Template
from lox_bench.types import Finish, Generated, Progress

ON_POLICY = "on-policy"
ANSWERS = "answers.jsonl"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to train on; a ``cut`` one ran into the length limit and gets no end token."""

    text: str
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """One preference: ``chosen`` is better than ``rejected`` as an answer to ``prompt``."""

    prompt: str
    chosen: Answer
    rejected: Answer


def on_policy_pairs(
    harmful: Sequence[tuple[str, Answer]],
    benign: Sequence[tuple[str, Answer]],
    refusals: Sequence[str],
    *,
    seed: int,
) -> list[Pair]:
    """Build pairs from (request, the base's own answer): refuse the harmful, answer the benign.

    Refusals are drawn with a seeded generator. Empty answers of the base make no pair.
    """
    rng = random.Random(seed)

    def refusal() -> Answer:
        return Answer(rng.choice(refusals))

    pairs = [Pair(ask, refusal(), own) for ask, own in harmful if own.text]
    pairs += [Pair(ask, own, refusal()) for ask, own in benign if own.text]
    rng.shuffle(pairs)
    return pairs


def write_answers(
    base: Path,
    sets: Sequence[PromptSet],
    spec: DpoSpec,
    template: Template,
    out: Path,
    progress: Progress,
) -> Mapping[str, Any]:
    """Let ``base`` answer the harmful, then the benign prompts; store what it says."""
    from lox_bench.generation.hf import HFGenerator

    generator = HFGenerator(base, template, batch_size=64)
    asked = [(part.name, prompt.text) for part in sets for prompt in part.prompts]
    answers = generator.generate(
        [text for _, text in asked], max_new_tokens=spec.answer_tokens, progress=progress
    )
    rows = [_row(name, text, answer) for (name, text), answer in zip(asked, answers, strict=True)]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (out / ANSWERS).write_text(lines, encoding="utf-8")
    return {"answers": len(rows)}


def read_pairs(folder: Path, spec: DpoSpec, *, seed: int) -> list[Pair]:
    """Make the pairs of one seed from stored answers, ``spec.max_pairs`` at most."""
    rows = parse_jsonl((folder / ANSWERS).read_text(encoding="utf-8"), where=str(folder / ANSWERS))
    split: dict[str, list[tuple[str, Answer]]] = {spec.harmful: [], spec.benign: []}
    for row in rows:
        split[row["set"]].append((row["prompt"], Answer(row["answer"], cut=row["cut"])))
    pairs = on_policy_pairs(split[spec.harmful], split[spec.benign], spec.refusals, seed=seed)
    if not pairs:
        raise DataError("the base model answered nothing, so there is no preference pair")
    return pairs[: spec.max_pairs or None]


def _row(name: str, prompt: str, answer: Generated) -> dict[str, Any]:
    cut = answer.finish is Finish.LENGTH
    return {"set": name, "prompt": prompt, "answer": answer.text, "cut": cut}
