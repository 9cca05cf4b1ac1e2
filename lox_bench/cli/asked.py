"""What a command line asks for: a study file, or none, and the options that override it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import typer

from lox_bench.engine.local import KeepWeights
from lox_bench.errors import UsageError
from lox_bench.grammar import split_list
from lox_bench.study.file import StudyFile, load_study
from lox_bench.study.request import paired_seeds

_FIELDS: Final = {"family": "families", "attack": "attacks", "seed": "seeds"}  # where they differ
_LISTS: Final = ("families", "models", "attacks", "prompts", "utility", "judges")
_SEEDS: Final = ("seeds", "align_seeds", "attack_seeds")
_JUDGE: Final = ("judge_model", "judge_base_url", "judge_backend", "judge_key_env", "max_cost")


def asked(study: str | None, options: Mapping[str, Any], context: typer.Context) -> StudyFile:
    """The study a command line means: that of the file, with the options that were given.

    Raises:
        UnknownNameError, SpecError: there is no such study, or its file is broken.
        UsageError: an option is malformed.
    """
    given = {name: value for name, value in options.items() if _is_given(name, context)}
    return overridden(StudyFile() if study is None else load_study(study), given)


def overridden(study: StudyFile, options: Mapping[str, Any]) -> StudyFile:
    """The study with some fields as options say them; ``--seeds`` is both kinds of seeds.

    Raises:
        UsageError: an option is malformed.
    """
    if "seed" in options:
        study = replace(study, align_seeds=None, attack_seeds=None)
    judge = {name.removeprefix("judge_"): options[name] for name in _JUDGE if name in options}
    fields = {_FIELDS.get(name, name): options[name] for name in options if name not in _JUDGE}
    if "data" in fields:
        files = {name: str(file) for name, file in parse_data(fields["data"]).items()}
        fields["data"] = {**study.data, **files}
    if "keep_weights" in fields:
        fields["keep_weights"] = KeepWeights(fields["keep_weights"])
    fields |= {name: tuple(split_list(fields[name])) for name in _LISTS if name in fields}
    fields |= {name: parse_seeds(fields[name]) for name in _SEEDS if name in fields}
    return replace(study, judge=replace(study.judge, **judge), **fields)


def _is_given(name: str, context: typer.Context) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def seed_pairs(
    both: str, align: str | None = None, attack: str | None = None
) -> tuple[tuple[int, int], ...]:
    """One (alignment, attack) pair a repetition, from the options for seeds.

    Raises:
        UsageError: one is no comma list of whole numbers, or they do not fit together.
    """
    common = parse_seeds(both)
    return paired_seeds(
        common if align is None else parse_seeds(align),
        common if attack is None else parse_seeds(attack),
    )


_LONGEST_SEED = 10  # digits
_MOST_SEEDS = 1000  # of one range


def parse_seeds(text: str) -> tuple[int, ...]:
    """Read ``--seed``: ``0``, ``0,1,2``, ``0..2``, ``0..2,7``.

    Raises:
        UsageError: it is no such list of whole numbers.
    """
    return tuple(seed for part in text.split(",") for seed in _seeds(part.strip(), text))


def _seeds(part: str, text: str) -> range:
    ends = part.split("..") if part.count("..") == 1 else [part, part]
    if not all(end.isdecimal() and len(end) <= _LONGEST_SEED for end in ends):
        raise UsageError(f"--seed wants whole numbers such as 0, 0,1,2 or 0..2, not {text[:60]!r}")
    first, last = map(int, ends)
    if not first <= last < first + _MOST_SEEDS:
        raise UsageError(
            f"--seed {text[:60]}: from a lower to a higher seed, {_MOST_SEEDS} at most"
        )
    return range(first, last + 1)


def parse_data(items: list[str]) -> dict[str, Path]:
    """Read ``--data``.

    Raises:
        UsageError: an item is not ``NAME=FILE``, or a name is given twice.
    """
    files: dict[str, Path] = {}
    for item in items:
        name, equals, file = item.partition("=")
        if not equals or not name or not file:
            raise UsageError(f"--data wants NAME=FILE.jsonl, not {item!r}")
        if name in files:
            raise UsageError(f"--data names {name!r} twice")
        files[name] = Path(file).expanduser()
    return files
