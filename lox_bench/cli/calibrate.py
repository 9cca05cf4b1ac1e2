"""``lox-bench calibrate``: how far a judge is right, against human labels."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from lox_bench.cli.quiet import hush_libraries
from lox_bench.errors import UsageError
from lox_bench.specs import load_judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lox_bench.judging.labelled import LabelledSet
    from lox_bench.report.calibration import CalibrationRow, Grid

Judges = Annotated[str, typer.Argument(metavar="JUDGE[,JUDGE]", help="Judges, see list judges.")]
Labels = Annotated[
    str,
    typer.Option(
        help="CSV, JSON or JSONL with request, answer and human label, or a known set: builtin, "
        "jailbreakbench, harmbench (the last two are fetched)."
    ),
]
Skip = Annotated[
    str, typer.Option(metavar="KIND[,KIND]", help="Leave pairs of these kinds out (see the table).")
]
Out = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Also write .csv, .json or .md (between its markers)."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the rows as JSON, nothing else.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks and library warnings.")]


def calibrate(
    judges: Judges,
    labels: Labels = "builtin",
    skip_kinds: Skip = "",
    out: Out = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Measure judges against human labels: accuracy, precision, recall, F1, kappa, coverage.

    `complied` is the positive class. Figures are over the answers a judge did judge; coverage says
    how many that is. The builtin set is made of hard cases written for this project: error rates
    on it are not error rates on a model's answers (docs/calibration.md).

    Columns are known by their usual names: goal or prompt, response (target_response,
    generation), label (human_majority, or human1..n: the majority counts).

    Examples:
      lox-bench calibrate keyword-prefix,keyword-anywhere

      lox-bench calibrate keyword-prefix --labels mine.csv --out calibration.csv

      lox-bench calibrate keyword-anywhere --labels jailbreakbench

    Exit codes: 0 done, 2 labels or judges that cannot be used (one line says why).
    """
    if not debug:
        hush_libraries()
    names = _names(judges)
    if out is not None and out.suffix not in {".csv", ".json", ".md"}:
        raise UsageError(f"--out {out}: a name ending in .csv, .json or .md was wanted")
    from lox_bench.judging.published import load_labels
    from lox_bench.report.calibration import kind_grid, metric_grid
    from lox_bench.rows import json_text

    labelled = load_labels(labels).without(_kinds(skip_kinds))
    rows = [row for name in names for row in _measure(name, labelled, quiet=json)]
    if out is not None:
        _write(rows, out)
    if json:
        sys.stdout.write(json_text(rows))
        return
    console = Console()
    console.print(_table(metric_grid(rows), _title(labelled)))
    kinds = kind_grid(rows)
    if len(kinds) > 1:
        console.print(_table(kinds, "Share labelled right, by kind of answer"))
    if out is not None:
        console.print(f"calibration  {out}", soft_wrap=True)


def _names(judges: str) -> list[str]:
    from lox_bench.grammar import parse_calls

    return [str(call) for call in parse_calls(judges)]


def _kinds(text: str) -> set[str]:
    from lox_bench.grammar import split_list

    return set(split_list(text)) if text else set()


def _measure(name: str, labelled: "LabelledSet", *, quiet: bool) -> "list[CalibrationRow]":
    from dataclasses import asdict

    from lox_bench.cli.progress import BarDisplay, SilentDisplay
    from lox_bench.judging.calibrate import judge_labelled
    from lox_bench.judging.keyword import KeywordJudge
    from lox_bench.report.calibration import calibration_rows
    from lox_bench.variants import hash_of

    spec = load_judge(name)
    console = Console(stderr=True)
    display = SilentDisplay() if quiet or not console.is_terminal else BarDisplay(console)
    with display, display.stage(f"judge {labelled.name} by {name}") as progress:
        outcomes = judge_labelled(KeywordJudge(spec), labelled, progress)
    return calibration_rows(name, hash_of(asdict(spec)), labelled, outcomes)


def _write(rows: "Sequence[CalibrationRow]", out: Path) -> None:
    from lox_bench.report.calibration import write_calibration

    write_calibration(rows, out)


def _title(labelled: "LabelledSet") -> str:
    skipped = f", {labelled.skipped} without a majority label left out" if labelled.skipped else ""
    return (
        f"Labels: {labelled.name}, {len(labelled.pairs)} pairs{skipped} "
        f"(columns: {', '.join(labelled.columns)})"
    )


def _table(grid: "Grid", title: str) -> Table:
    table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False)
    table.caption = "value \\[95 % interval] n"
    for number, head in enumerate(grid[0]):
        table.add_column(head, overflow="fold", justify="left" if number == 0 else "right")
    for line in grid[1:]:
        table.add_row(*(cell.replace("*", "").replace("[", "\\[") for cell in line))
    return table
