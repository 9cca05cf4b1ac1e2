"""Judge the stored answers of a finished run: nothing is generated, only what lacks is asked.

Verdicts are gathered first (a killed command loses no reply: the request cache has them), then
verdict files, leaderboard and manifest are replaced, each atomically, the manifest last.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lox_bench.codec import write_records
from lox_bench.engine.store import MANIFEST
from lox_bench.errors import DataError, UsageError
from lox_bench.files import write_json
from lox_bench.judges.kinds import JudgeSpec, can_count, described
from lox_bench.judges.pricing import Ledger
from lox_bench.report.agreement import write_agreement
from lox_bench.report.publish import write_leaderboard
from lox_bench.results.leaderboard import leaderboard
from lox_bench.results.row import Row
from lox_bench.results.run import Run, VariantName, verdicts_file
from lox_bench.types import Completion, Judge, Label, Progress, Verdict


@dataclass(frozen=True, slots=True)
class Sheet:
    """The answers of one cell to one task, before one judge; ``None`` where a verdict lacks."""

    cell: VariantName
    task: str
    completions: Sequence[Completion]
    verdicts: tuple[Verdict | None, ...]

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
        DataError: the run's manifest does not say what its tasks count.
    """
    if any("counts" not in facts for facts in run.manifest["prompts"].values()):
        raise DataError(
            f"{run.path} was written by an earlier lox-bench; run its command again (everything is "
            "cached), then judge it"
        )
    plain = json.loads(json.dumps(described(spec)))
    held = run.manifest["judges"].get(spec.name)
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
        _sheet(run, cell, task, spec.name if held == plain else "")
        for task in run.tasks
        if can_count(plain, run.manifest["prompts"][task]["counts"])
        for cell in run.cells
    ]
    if not found:
        raise UsageError(f"judge {spec.name!r} measures none of the run's tasks")
    return found


def _sheet(run: Run, cell: VariantName, task: str, judge: str) -> Sheet:
    completions = run.completions(cell, task)
    if not judge:
        return Sheet(cell, task, completions, (None,) * len(completions))
    held = {verdict.prompt_id: verdict for verdict in run.verdicts(cell, task, judge)}
    kept = tuple(_final(held.get(item.prompt_id), item) for item in completions)
    return Sheet(cell, task, completions, kept)


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
            sheet.cell,
            sheet.task,
            sheet.completions,
            tuple(given.get((n, i), verdict) for i, verdict in enumerate(sheet.verdicts)),
        )
        for n, sheet in enumerate(found)
    ]


def save(run: Run, judged: Mapping[JudgeSpec, Sequence[Sheet]], ledger: Ledger) -> list[Row]:
    """Write verdicts, leaderboard, agreement and manifest; the rows are returned."""
    (run.path / "verdicts").mkdir(exist_ok=True)
    for spec, filled in judged.items():
        for sheet in filled:
            write_records(
                verdicts_file(run.path, sheet.cell, sheet.task, spec.name),
                [verdict for verdict in sheet.verdicts if verdict is not None],
            )
    judges = {spec.name: described(spec) for spec in judged}
    manifest = {
        **run.manifest,
        "judges": {**run.manifest["judges"], **judges},
        "expenses": [*run.manifest.get("expenses", []), *ledger.records()],
    }
    judged_run = Run(run.path, manifest)
    rows = leaderboard(judged_run)
    write_leaderboard(run.path, rows)
    write_agreement(judged_run)
    write_json(run.path / MANIFEST, manifest)
    return rows


def _differences(held: Mapping[str, Any], plain: Mapping[str, Any]) -> str:
    names = dict.fromkeys([*held, *plain])
    return ", ".join(name for name in names if held.get(name) != plain.get(name))
