"""Judge the stored answers of a finished run: nothing is generated, only what lacks is asked.

Verdicts are gathered first (a killed command loses no reply: the request cache has them), then
verdict files, leaderboard and manifest are replaced, each atomically, the manifest last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as changed

from lox_bench.codec import to_plain, write_records
from lox_bench.errors import UsageError
from lox_bench.judges.kinds import JudgeSpec, can_count, described
from lox_bench.report.agreement import write_agreement
from lox_bench.report.output import expenses_of
from lox_bench.report.publish import write_leaderboard
from lox_bench.results.leaderboard import leaderboard
from lox_bench.results.record import Plain, RunRecord, save_record
from lox_bench.results.row import Row
from lox_bench.results.run import Run, VariantName, verdicts_file
from lox_bench.serving.pricing import Ledger
from lox_bench.types import Completion, Judge, Label, Progress, Verdict


@dataclass(frozen=True, slots=True)
class Sheet:
    """The answers of one model to one task, before one judge; ``None`` where a verdict lacks."""

    name: VariantName
    task: str
    completions: Sequence[Completion]
    verdicts: tuple[Verdict | None, ...]
    draw: int = 0  # of several samples a prompt

    @property
    def lacking(self) -> list[int]:
        """Positions of the answers to be judged."""
        return [i for i, verdict in enumerate(self.verdicts) if verdict is None]


def sheets(
    run: Run, spec: JudgeSpec, *, only_unjudged: bool = False, replace: bool = False
) -> list[Sheet]:
    """What a judge has to do in a run.

    Args:
        run: a finished run.
        spec: the judge.
        only_unjudged: leave alone what the judge has never been asked about.
        replace: forget the verdicts of another judge of the same name.

    Raises:
        UsageError: another judge of that name was here, or nothing is there to be completed.
    """
    plain = to_plain(described(spec))
    held = run.record.judges.get(spec.name)
    if held is not None and held != plain and not replace:
        raise UsageError(
            f"{run.path} holds verdicts of another judge called {spec.name!r} "
            f"({_differences(held, plain)} differ); --replace overwrites them, or name yours "
            "otherwise in a spec of your own"
        )
    if only_unjudged and held != plain:
        raise UsageError(
            f"--only-unjudged completes verdicts, but judge {spec.name!r} has given none in "
            f"{run.path}; leave the option out"
        )
    found = [
        _sheet(run, name, task, spec.name if held == plain else "", draw)
        for task in run.tasks
        if can_count(plain, run.record.prompts[task].counts)
        for name in run.names
        for draw in range(run.record.prompts[task].samples)
    ]
    if not found:
        raise UsageError(f"judge {spec.name!r} measures none of the run's tasks")
    return found


def _sheet(run: Run, name: VariantName, task: str, judge: str, draw: int) -> Sheet:
    completions = run.completions(name, task, draw)
    if not judge:
        return Sheet(name, task, completions, (None,) * len(completions), draw)
    held = {verdict.prompt_id: verdict for verdict in run.verdicts(name, task, judge, draw)}
    kept = tuple(_final(held.get(item.prompt_id), item) for item in completions)
    return Sheet(name, task, completions, kept, draw)


def _final(verdict: Verdict | None, item: Completion) -> Verdict | None:
    """A verdict that another question would not change."""
    lacks = verdict is not None and verdict.label is Label.UNJUDGED and item.defect is None
    return None if lacks else verdict


def fill(judge: Judge, found: Sequence[Sheet], progress: Progress) -> list[Sheet]:
    """Let the judge label everything that lacks, in one go over all sheets."""
    wanted = [(n, i) for n, sheet in enumerate(found) for i in sheet.lacking]
    verdicts = judge.judge([found[n].completions[i] for n, i in wanted], progress)
    given = dict(zip(wanted, verdicts, strict=True))
    return [
        Sheet(
            sheet.name,
            sheet.task,
            sheet.completions,
            tuple(given.get((n, i), verdict) for i, verdict in enumerate(sheet.verdicts)),
            sheet.draw,
        )
        for n, sheet in enumerate(found)
    ]


def save(run: Run, judged: Mapping[JudgeSpec, Sequence[Sheet]], ledger: Ledger) -> list[Row]:
    """Write verdicts, leaderboard, agreement and manifest; the rows are returned."""
    (run.path / "verdicts").mkdir(exist_ok=True)
    for spec, filled in judged.items():
        for sheet in filled:
            write_records(
                verdicts_file(run.path, sheet.name, sheet.task, spec.name, sheet.draw),
                [verdict for verdict in sheet.verdicts if verdict is not None],
            )
    record = _with_judges(run.record, list(judged), ledger)
    judged_run = Run(run.path, record)
    rows = leaderboard(judged_run)
    write_leaderboard(run.path, rows)
    write_agreement(judged_run)
    save_record(run.path, record)
    return rows


def _with_judges(record: RunRecord, judges: Sequence[JudgeSpec], ledger: Ledger) -> RunRecord:
    new = {spec.name: to_plain(described(spec)) for spec in judges}
    added = [name for name in new if name not in record.judges]
    return changed(
        record,
        judges={**record.judges, **new},
        added_judges=(*record.added_judges, *added),
        expenses=(*record.expenses, *expenses_of(ledger)),
    )


def _differences(held: Plain, plain: Plain) -> str:
    names = dict.fromkeys([*held, *plain])
    return ", ".join(name for name in names if held.get(name) != plain.get(name))
