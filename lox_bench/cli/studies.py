"""Studies of one family or several: a run of each family, and one leaderboard of all."""

from collections.abc import Sequence
from pathlib import Path

import typer

from lox_bench.cli.making import Workers
from lox_bench.cli.session import Session
from lox_bench.codec import hash_of
from lox_bench.errors import JudgeFailedError, UsageError
from lox_bench.report.merge import read_boards
from lox_bench.report.publish import publish
from lox_bench.results.run import LEADERBOARD, MARKDOWN
from lox_bench.study.file import StudyFile
from lox_bench.study.study import Study, make_study


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
        session.run(studies, [out or Path("runs") / studies[0].name])
        return
    folder = out or Path("runs") / shared_name(wanted, studies)
    folders = [folder / study.family.name for study in studies]
    failure: JudgeFailedError | None = None
    try:
        session.run(studies, folders)
    except JudgeFailedError as error:
        failure = error
    publish(read_boards(folders), folder, title=wanted.name or folder.name)
    if not (quiet or json):
        for name in (LEADERBOARD, MARKDOWN):
            typer.echo(f"all families  {folder / name}")
    if failure is not None:
        raise failure


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


def shared_name(wanted: StudyFile, studies: Sequence[Study]) -> str:
    """Default name of the folder of several families: the same study always gets the same one."""
    key = hash_of({"studies": [study.key for study in studies]})
    return f"{wanted.name or '+'.join(study.family.name for study in studies)}-{key[:8]}"
