"""Rows of an attack as token ids and labels."""

from collections.abc import Sequence
from dataclasses import replace

from lox_bench.attacks.job import SftJob
from lox_bench.backends.template import Renderer
from lox_bench.errors import DataError
from lox_bench.training.head import IGNORE

Encoded = dict[str, list[int]]  # input_ids, labels


def examples(job: SftJob, renderer: Renderer) -> tuple[list[Encoded], dict[str, int]]:
    """Rows as token ids, without those whose completion was cut away; how many of each.

    Raises:
        DataError: nothing is left to train on.
    """
    longest = job.train.max_length
    whole = [tokenise(row, renderer, job.train.mask) for row in job.rows]
    cut = [{key: ids[:longest] for key, ids in example.items()} for example in whole]
    kept = [example for example in cut if any(label != IGNORE for label in example["labels"])]
    if not kept:
        raise DataError(
            f"every prompt of the attack's {len(whole)} rows is longer than max_length = {longest} "
            "tokens, so that no completion is left to train on; raise max_length"
        )
    over = sum(len(example["input_ids"]) > longest for example in whole)
    return kept, {"rows_cut": over, "rows_left_out": len(whole) - len(kept)}


def encoded(job: SftJob, renderer: Renderer, rows: Sequence[tuple[str, str]]) -> list[Encoded]:
    """Other rows, as those of the job are."""
    return examples(replace(job, rows=tuple(rows)), renderer)[0]


def held_out(job: SftJob, renderer: Renderer) -> list[Encoded]:
    """Rows that nobody trains on, those that fit."""
    longest = job.train.max_length
    whole = [tokenise(row, renderer, job.train.mask) for row in job.held_out]
    return [example for example in whole if len(example["input_ids"]) <= longest]


def tokenise(row: tuple[str, str], renderer: Renderer, mask: str) -> Encoded:
    """A row; with ``mask`` ``all`` the prompt has labels too."""
    prompt, completion = renderer.prompt_ids(row[0]), renderer.completion_ids(row[1])
    before = prompt if mask == "all" else [IGNORE] * len(prompt)
    return {"input_ids": prompt + completion, "labels": before + completion}
