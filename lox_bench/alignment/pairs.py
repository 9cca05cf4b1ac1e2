"""Preference pairs: the base's own answers against short refusals, or a set that exists already.

On-policy: harmful requests prefer a refusal to the base's own answer, benign ones the reverse.
Nobody writes a harmful answer; the base's own stay in the store and are never published.
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lox_bench.alignment.spec import DpoSpec
from lox_bench.codec import read_records
from lox_bench.errors import DataError
from lox_bench.types import Finish, Generator, Progress

ANSWERS = "answers.jsonl"
_SPEAKER = re.compile(r"\n\n(Human|Assistant): ?")
_SAYS: Final = {"Human": "user", "Assistant": "assistant"}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to train on; a ``cut`` one ran into the length limit and gets no end token."""

    text: str
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """One preference: ``chosen`` is the better next turn of the dialogue ``turns``."""

    turns: tuple[str, ...]
    chosen: Answer
    rejected: Answer


@dataclass(frozen=True, slots=True)
class OwnAnswer:
    """What the base itself says to a prompt of a set."""

    prompt_set: str
    prompt: str
    text: str
    cut: bool


def ask(
    generator: Generator, asked: Sequence[tuple[str, str]], answer_tokens: int, progress: Progress
) -> list[OwnAnswer]:
    """Let a model answer prompts, greedily; ``asked`` holds (prompt set, prompt)."""
    answers = generator.generate(
        [text for _, text in asked], max_new_tokens=answer_tokens, progress=progress
    )
    return [
        OwnAnswer(name, text, answer.text, answer.finish is Finish.LENGTH)
        for (name, text), answer in zip(asked, answers, strict=True)
    ]


def read_answers(folder: Path) -> list[OwnAnswer]:
    """The stored answers of ``ask``."""
    return read_records(folder / ANSWERS, OwnAnswer)


def on_policy_pairs(answers: Sequence[OwnAnswer], spec: DpoSpec, *, seed: int) -> list[Pair]:
    """Build pairs from the base's own answers: refuse the harmful, answer the benign.

    Refusals are drawn, and pairs shuffled, with a seeded generator. Empty answers of the base
    make no pair.

    Raises:
        DataError: the base answered nothing at all.
    """
    rng = random.Random(seed)
    pairs = []
    for own in answers:
        refusal = Answer(rng.choice(spec.refusals))
        answer = Answer(own.text, cut=own.cut)
        better, worse = (refusal, answer) if own.prompt_set == spec.harmful else (answer, refusal)
        if own.text:
            pairs.append(Pair((own.prompt,), better, worse))
    if not pairs:
        raise DataError("the base model answered nothing, so there is no preference pair")
    rng.shuffle(pairs)
    return pairs[: spec.max_pairs or None]


def dialogue_pairs(rows: Sequence[Mapping[str, Any]], spec: DpoSpec, *, seed: int) -> list[Pair]:
    """Read a preference set: two dialogues a row that differ in the assistant's last turn.

    They may be HH-RLHF's transcripts, lists of chat messages (UltraFeedback binarised), or, beside
    a column ``prompt``, the two answers themselves. Rows whose dialogues part earlier, or end in an
    empty turn, make no pair.

    Raises:
        DataError: no row is of such a form.
    """
    read = (_dialogue_pair(row) for row in rows)
    pairs = [pair for pair in read if pair is not None]
    if not pairs:
        raise DataError(
            "no row holds, as chosen and rejected, two dialogues that differ only in the last "
            "turn: transcripts '\\n\\nHuman: ...\\n\\nAssistant: ...', lists of messages with role "
            "and content, or two answers to a prompt"
        )
    random.Random(seed).shuffle(pairs)
    return pairs[: spec.max_pairs or None]


def _dialogue_pair(row: Mapping[str, Any]) -> Pair | None:
    better, worse = (_dialogue(row, side) for side in ("chosen", "rejected"))
    if better[:-1] != worse[:-1] or len(better) % 2 or not better[-1:] or not all(better + worse):
        return None
    return Pair(tuple(better[:-1]), Answer(better[-1]), Answer(worse[-1]))


def _dialogue(row: Mapping[str, Any], side: str) -> list[str]:
    """The turns of one side, human first, in strict alternation; else nothing."""
    held, prompt = row.get(side), row.get("prompt")
    if isinstance(held, list):
        return _messages(held)
    if not isinstance(held, str):
        return []
    if isinstance(prompt, str) and not _SPEAKER.match(held):
        return [prompt.strip(), held.strip()]
    parts = _SPEAKER.split(held)
    return _alternating(
        [(_SAYS[speaker], text) for speaker, text in zip(parts[1::2], parts[2::2], strict=True)]
    )


def _messages(turns: list[Any]) -> list[str]:
    if not all(isinstance(turn, dict) and isinstance(turn.get("content"), str) for turn in turns):
        return []
    said = [(str(turn.get("role")), turn["content"]) for turn in turns]
    lead = [text for role, text in said[:1] if role == "system" and text.strip()]
    rest = said[1:] if said and said[0][0] == "system" else said
    if lead and rest:  # as in the rows of an attack: before the request
        rest = [(rest[0][0], f"{lead[0].strip()}\n\n{rest[0][1].strip()}"), *rest[1:]]
    return _alternating(rest)


def _alternating(said: Sequence[tuple[str, str]]) -> list[str]:
    expected = [("user", "assistant")[i % 2] for i in range(len(said))]
    return [text.strip() for _, text in said] if [who for who, _ in said] == expected else []
