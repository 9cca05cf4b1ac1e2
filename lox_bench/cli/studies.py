"""Studies of one family or several: a run of each family, and one leaderboard of all."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import typer

from lox_bench.cli.making import Workers
from lox_bench.cli.session import Session
from lox_bench.errors import JudgeFailedError, UsageError
from lox_bench.report.merge import read_boards
from lox_bench.report.publish import publish
from lox_bench.results.place import RUNS, place
from lox_bench.results.run import LEADERBOARD, MARKDOWN
from lox_bench.study.file import StudyFile
from lox_bench.study.study import Study, make_study
from lox_bench.study.words import shared_words, words_of


def foresee(wanted: StudyFile, workers: Workers, *, json: bool) -> None:
    """Show what would be made.

    Raises:
        LoxBenchError: the study is not sound.
    """
    session = Session(quiet=False, json=json, keep=wanted.keep_weights, workers=workers)
    session.foresee(planned_studies(wanted))


def carry_out(
    wanted: StudyFile, out: Path | None, workers: Workers, *, quiet: bool, json: bool
) -> None:
    """Run the study of each family; several families share a folder and a leaderboard.

    Raises:
        LoxBenchError: the study is not sound, or its results cannot be written.
        JudgeFailedError: all is written, but a judge could not be asked about everything.
    """
    studies = planned_studies(wanted)
    session = Session(
        quiet=quiet,
        json=json,
        max_cost=wanted.judge.max_cost,
        keep=wanted.keep_weights,
        workers=workers,
    )
    if len(studies) == 1:
        session.run(studies, lambda: [out or placed(wanted, studies)])
        return
    inside = [str(study.family.name) for study in studies]
    shared = cache(lambda: out or placed(wanted, studies))
    failure: JudgeFailedError | None = None
    try:
        session.run(studies, lambda: [shared() / name for name in inside])
    except JudgeFailedError as error:
        failure = error
    folder = shared()
    publish(
        read_boards([folder / name for name in inside]), folder, title=wanted.name or folder.name
    )
    if not (quiet or json):
        for name in (LEADERBOARD, MARKDOWN):
            typer.echo(f"all families  {folder / name}")
    if failure is not None:
        raise failure


def placed(wanted: StudyFile, studies: Sequence[Study]) -> Path:
    """The folder in ``runs/`` that holds these studies, or a new one: see ``results/place.py``."""
    if len(studies) == 1:
        return place(RUNS, words_of(studies[0], wanted.name), {"": studies[0].key})
    plans = {str(study.family.name): study.key for study in studies}
    return place(RUNS, shared_words(studies, wanted.name), plans)


def planned_studies(wanted: StudyFile) -> list[Study]:
    """A study a family, all checked before the first second of work.

    Raises:
        LoxBenchError: one is not sound, or two families have one name.
    """
    studies = [make_study(request) for request in wanted.requests()]
    names = [study.family.name for study in studies]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"family {name!r} is listed twice in {', '.join(wanted.families)!r}")
    return studies
