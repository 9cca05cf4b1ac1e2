"""After a run: the three commands that make sense next, filled in."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from lox_bench.results.record import RunRecord
from lox_bench.results.run import NO_ATTACK
from lox_bench.study.request import Request

Step = tuple[str, str]  # what for, the command

_SHOWN: Final = 3
_QUICK: Final = ("--limit", "--max-steps")
_SEEDED: Final = ("--seed", "--seeds", "--align-seeds", "--attack-seeds")
_PAID: Final = "policy-rubric"


def next_steps(record: RunRecord, folder: Path, references: Sequence[str]) -> list[Step]:
    """What to do with a run that has just finished.

    Args:
        record: the run's.
        folder: where it lies.
        references: names of the gate's packaged references.
    """
    return list(_steps(record, shlex.quote(str(folder)), references))[:_SHOWN]


def _steps(record: RunRecord, run: str, references: Sequence[str]) -> Iterator[Step]:
    yield "read the answers, see the figures", f"lox-bench runs open {run}"
    arguments = _without(record.command[1:], ("--out",))
    quick = _given(arguments, _QUICK)
    seeds = {item.seed for item in record.variants}
    models = list(dict.fromkeys(item.model for item in record.variants))
    if quick:
        yield "this was a quick look: all of it", _line(_without(arguments, _QUICK))
    elif len(models) == 1 and models != ["base"]:
        more = [*_without(arguments, ("--models", "--model")), "--models", f"{models[0]},lox"]
        yield "is there anything to compare it with?", _line(more)
    elif len(seeds) == 1 and not _given(arguments, _SEEDED):
        yield "is it the seed?", _line([*arguments, "--seeds", "0..2"])
    if len(models) > 1:
        yield "which differences are shown?", f"lox-bench compare {run}"
    attacked = any(item.attack != NO_ATTACK for item in record.variants)
    if not attacked:
        more = [*_without(arguments, ("--attack", "--attacks")), "--attack", Request().attack]
        yield "does it survive an attack?", _line(more)
    if not quick and record.family in references:
        yield (
            "is it worse than what is known?",
            (f"lox-bench check {run} --against {record.family}"),
        )
    if not any(judge.get("model") for judge in record.judges.values()):
        yield (
            "what does a language model make of the answers?",
            (f"lox-bench judge {run} --judges {_PAID} --max-cost 2"),
        )
    yield "which hazards are answered?", f"lox-bench hazards {run}"


def _given(arguments: Sequence[str], options: Sequence[str]) -> bool:
    return any(item.partition("=")[0] in options for item in arguments)


def _without(arguments: Sequence[str], options: Sequence[str]) -> list[str]:
    """The arguments without some options and their values."""
    kept, skip = [], False
    for item in arguments:
        name, equals, _ = item.partition("=")
        if skip:
            skip = False
        elif name in options:
            skip = not equals
        else:
            kept.append(item)
    return kept


def _line(arguments: Sequence[str]) -> str:
    return shlex.join(["lox-bench", *arguments])
