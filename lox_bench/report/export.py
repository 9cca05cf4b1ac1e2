"""Every table of some runs as files: LaTeX, markdown or CSV, one file a table and format."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from lox_bench.report.findings import findings
from lox_bench.report.forms import TableFormat
from lox_bench.report.hazards import hazard_tables
from lox_bench.report.latex import MARK as LATEX_MARK
from lox_bench.report.latex import label_of, latex
from lox_bench.report.markdown import MARK, pooled_text
from lox_bench.report.markdown import escape as markdown_text
from lox_bench.report.merge import Board, Entry, newest
from lox_bench.report.publish import write_ours
from lox_bench.report.standings import standing_tables, standings
from lox_bench.report.summary import Line, Table, summarise
from lox_bench.report.tables import further_tables
from lox_bench.results.cells import as_cell
from lox_bench.results.hazards import hazard_rates
from lox_bench.results.metrics import title_of
from lox_bench.results.text_table import TextTable, share

_NOTE: Final = (
    "Shares with 95 % Wilson intervals; n counts the judged answers. Of several seeds: their mean, "
    "the hull of their intervals, n summed."
)
_NUMBER: Final = re.compile(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?")


_ENDINGS: Final[Mapping[TableFormat, str]] = {
    TableFormat.LATEX: "tex",
    TableFormat.MARKDOWN: "md",
    TableFormat.CSV: "csv",
}


def write_tables(boards: Sequence[Board], folder: Path, form: TableFormat) -> list[Path]:
    """Write every table of ``boards``; the files are returned.

    Raises:
        UsageError: a file is in the way that lox-bench did not make.
        StoreError: the folder cannot be written.
        DataError: a run cannot be read.
    """
    written = []
    for name, table in _named(all_tables(boards, form)):
        file = folder / f"{name}.{_ENDINGS[form]}"
        if form is TableFormat.CSV:
            text = _csv(table)
            write_ours(file, text, mark=text.partition("\n")[0])
        elif form is TableFormat.LATEX:
            write_ours(file, latex(table, name), mark=LATEX_MARK)
        else:
            write_ours(file, f"{MARK}\n\n{_markdown(table)}", mark=MARK)
        written.append(file)
    return written


def all_tables(boards: Sequence[Board], form: TableFormat) -> Iterator[TextTable]:
    """The leaderboard and the worst cases of all boards, then what each run has besides.

    The leaderboard's rates are one cell each in markdown and four in CSV (value, bounds, n); in
    LaTeX each metric is a table of its own, which fits a page.
    """
    entries = newest(entry for board in boards for entry in board.entries)
    for family in dict.fromkeys(entry.row.family for entry in entries):
        held = [entry for entry in entries if entry.row.family == family]
        if form is TableFormat.LATEX:
            yield from _measures(family, summarise(held))
        else:
            yield _leaderboard(family, held, split=form is TableFormat.CSV)
    yield from standing_tables(standings(entries))
    for board in boards:
        if board.run is not None:
            yield from findings(board.run).tables
            yield from hazard_tables(hazard_rates(board.run))
            yield from further_tables(board.run)


def _leaderboard(family: str, entries: Sequence[Entry], *, split: bool) -> TextTable:
    table = summarise(entries)
    titles = [" ".join(table.heading(measure)) for measure in table.measures]
    several = len({line.source for line in table.lines}) > 1
    flagged = any(line.valid for line in table.lines)
    parts = ("", " 95% low", " 95% high", " n") if split else ("",)
    head = ["model", "attack data", "seeds", *(t + part for t in titles for part in parts)]
    head += ["valid"] * flagged + ["run"] * several
    rows = tuple(
        (
            line.title,
            line.attack_data,
            " ".join(map(str, line.seeds)),
            *_rates(line, table, split=split),
            *((_valid(line),) if flagged else ()),
            *((line.source,) if several else ()),
        )
        for line in table.lines
    )
    return TextTable(f"Leaderboard of {family}", tuple(head), rows, _NOTE)


def _measures(family: str, table: Table) -> Iterator[TextTable]:
    head = ("model", "rate", "95 %", "n", "unjudged", "seeds", "valid")
    for measure in table.measures:
        held = [(line, line.pooled[measure]) for line in table.lines if measure in line.pooled]
        rows = tuple(
            (
                line.title,
                share(pooled.value),
                f"{pooled.low:.2f} to {pooled.high:.2f}" if pooled.n else "-",
                str(pooled.n),
                str(pooled.unjudged),
                str(len(line.seeds)),
                line.valid or "-",
            )
            for line, pooled in held
        )
        name = f"{title_of(measure.metric)} on {measure.task}".replace("_", " ")
        yield TextTable(f"{name} by {measure.judge}, {family}", head, rows, _NOTE)


def _rates(line: Line, table: Table, *, split: bool) -> Iterator[str]:
    for measure in table.measures:
        pooled = line.pooled.get(measure)
        if split:
            held = pooled is not None and pooled.n
            yield from (
                (f"{pooled.value:.6g}", f"{pooled.low:.6g}", f"{pooled.high:.6g}", str(pooled.n))
                if held and pooled is not None
                else ("", "", "", str(pooled.n) if pooled is not None else "")
            )
        else:
            yield "" if pooled is None else pooled_text(pooled)


def _valid(line: Line) -> str:
    return f"{line.valid}: {line.reasons[0]}" if line.reasons else line.valid


def _named(tables: Iterator[TextTable]) -> Iterator[tuple[str, TextTable]]:
    """File names from titles, each once."""
    seen: dict[str, int] = {}
    for table in tables:
        name = label_of(table.title)
        seen[name] = seen.get(name, 0) + 1
        yield name if seen[name] == 1 else f"{name}-{seen[name]}", table


def _markdown(table: TextTable) -> str:
    head, *body = [[markdown_text(cell) for cell in row] for row in (table.head, *table.rows)]
    ruler = ["---"] * len(head)
    text = "\n".join("| " + " | ".join(line) + " |" for line in (head, ruler, *body))
    note = f"\n\n{markdown_text(table.note)}" if table.note else ""
    return f"### {markdown_text(table.title)}\n\n{text}{note}\n"


def _csv(table: TextTable) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(as_cell, table.head))
    writer.writerows(map(_cell, row) for row in table.rows)
    return text.getvalue()


def _cell(text: str) -> object:
    """A number as it is, nothing where there is none, text that no spreadsheet acts on."""
    if text == "-":
        return ""
    return text if _NUMBER.fullmatch(text) else as_cell(text)
