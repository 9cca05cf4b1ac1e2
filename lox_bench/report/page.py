"""The page of one or several leaderboards: one HTML file that needs no network."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from lox_bench import __version__
from lox_bench.report import assets
from lox_bench.report.costs import Cost, costs, duration, total_seconds
from lox_bench.report.figures import Picture, fronts, pictures
from lox_bench.report.findings import Findings, findings
from lox_bench.report.hazards import NOTE, Grid, hazard_grids
from lox_bench.report.merge import Board, Entry, newest
from lox_bench.report.standings import standing_tables, standings
from lox_bench.report.summary import Table, summarise
from lox_bench.report.tables import further_tables
from lox_bench.report.transcripts import count_disagreements, transcripts
from lox_bench.results.hazards import hazard_rates
from lox_bench.results.record import RunRecord
from lox_bench.results.row import COLUMNS
from lox_bench.results.run import Run
from lox_bench.results.text_table import TextTable
from lox_bench.results.validity import SHOWN
from lox_bench.types import Label

GENERATOR = "lox-bench"


@dataclass(frozen=True, slots=True)
class _Section:
    """What the page shows of one run beside the leaderboard."""

    name: str
    pictures: Sequence[Picture]
    costs: Sequence[Cost]
    findings: Findings
    tables: Sequence[TextTable]
    hazards: Sequence[Grid]
    record: RunRecord


@dataclass(frozen=True, slots=True)
class _Fact:
    """One figure of the overview."""

    value: str
    what: str


def build_page(
    boards: Sequence[Board], *, title: str, clip: int | None = None, explorer: bool = True
) -> str:
    """The HTML of ``boards``; equal boards give equal bytes.

    Args:
        boards: what to show; several are merged, the newest number per key.
        title: heading and title of the page.
        clip: characters kept of each answer, or all.
        explorer: whether to carry the transcripts of the boards that are runs.

    Raises:
        DataError: a run cannot be read.
    """
    entries = newest(entry for board in boards for entry in board.entries)
    runs = {board.name: board.run for board in boards if board.run is not None}
    answers = transcripts(runs, clip=clip) if explorer and runs else None
    table, ranked = summarise(entries), standings(entries)
    sections = [_section(board) for board in boards if board.run is not None]
    script, (grid, grid_style) = assets.our_script(), assets.datatables()
    return (
        assets.templates()
        .get_template("page.html.jinja")
        .render(
            generator=f"{GENERATOR} {__version__}",
            title=title,
            script=Markup(script),  # noqa: S704 - ours
            script_hash=assets.script_hash(script),
            styles=[Markup(grid_style), Markup(assets.our_style())],  # noqa: S704 - ours
            grid=assets.pack(grid),
            data=assets.pack(_json({"rows": _rows(entries), "transcripts": answers})),
            facts=_facts(table, runs, answers),
            table=table,
            shown=SHOWN,
            standings=standing_tables(ranked),
            fronts=fronts(ranked),
            boards=[(board.name, len(board.entries), _kept(entries, board)) for board in boards],
            sections=sections,
            has_hazards=any(section.hazards for section in sections),
            hazard_note=NOTE,
            has_explorer=answers is not None,
        )
    )


def _section(board: Board) -> _Section:
    run = board.run
    assert run is not None  # noqa: S101 - the caller picked runs
    plots = pictures(run.path / "plots", board.entries)
    tables = further_tables(run)
    return _Section(
        name=board.name,
        pictures=plots,
        costs=costs(run),
        findings=findings(run),
        tables=tables,
        hazards=hazard_grids(hazard_rates(run)),
        record=run.record,
    )


def _rows(entries: Sequence[Entry]) -> dict[str, Any]:
    """Every leaderboard row, as positions of columns."""
    lines = [
        [*(_finite(getattr(entry.row, name)) for name in COLUMNS), entry.source, entry.finished]
        for entry in entries
    ]
    return {"columns": [*COLUMNS, "source", "finished"], "lines": lines}


def _facts(table: Table, runs: Mapping[str, Run], answers: Mapping[str, Any] | None) -> list[_Fact]:
    lines, judges = table.lines, {judge for run in runs.values() for judge in run.judges}
    facts = [
        _count(len({(line.family, line.model) for line in lines}), "model"),
        _count(len({seed for line in lines for seed in line.seeds}), "seed"),
    ]
    if runs:
        facts.append(_count(len(judges), "judge"))
    if answers is not None:
        facts += _answer_facts(answers, several_judges=len(judges) > 1)
    if runs:
        facts.append(_Fact(duration(total_seconds(runs.values())), "of computing"))
    return facts


def _answer_facts(answers: Mapping[str, Any], *, several_judges: bool) -> list[_Fact]:
    held = answers["answers"]
    unjudged = sum(any(label == Label.UNJUDGED for _, label, _, _ in answer[-1]) for answer in held)
    facts = [_count(len(answers["prompts"]), "prompt"), _count(len(held), "answer")]
    if several_judges:
        facts.append(_Fact(f"{count_disagreements(held):,}", "answers the judges disagree on"))
    return [*facts, _Fact(f"{unjudged:,}", "answers a judge left unjudged")]


def _count(number: int, what: str) -> _Fact:
    return _Fact(f"{number:,}", what if number == 1 else f"{what}s")


def _kept(entries: Sequence[Entry], board: Board) -> int:
    ours = {id(entry) for entry in board.entries}
    return sum(id(entry) in ours for entry in entries)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _finite(value: Any) -> Any:
    """JSON has no NaN: the value of a rate without a judged answer is null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
