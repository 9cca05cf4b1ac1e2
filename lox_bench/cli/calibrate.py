"""``lox-bench calibrate``: how far a judge is right, against human labels."""

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from lox_bench.cli import judging as options
from lox_bench.cli.completion import judges as judge_names
from lox_bench.cli.costs import Costs
from lox_bench.cli.jsonout import plain, print_json
from lox_bench.cli.quiet import hush_libraries
from lox_bench.cli.writing import rich_table
from lox_bench.errors import StoreError, UsageError
from lox_bench.judges.choice import Elsewhere, choose_judges
from lox_bench.judges.kinds import JudgeSpec, described
from lox_bench.results.text_table import TextTable
from lox_bench.serving.pricing import Ledger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lox_bench.judges.labelled import LabelledSet
    from lox_bench.report.calibration import CalibrationRow, Grid

Judges = Annotated[
    str,
    typer.Argument(
        metavar="JUDGE[,JUDGE]", help="Judges, see list judges.", autocompletion=judge_names
    ),
]
Labels = Annotated[
    str,
    typer.Option(
        help="CSV, JSON or JSONL with request, answer and human label, or a known set: builtin, "
        "jailbreakbench, harmbench (the last two are fetched)."
    ),
]
Skip = Annotated[
    str,
    typer.Option(
        "--skip-kinds",
        "--skip-kind",
        metavar="KIND[,KIND]",
        help="Leave pairs of these kinds out (see the table).",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Also write .csv, .json or .md (between its markers)."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the rows as JSON, nothing else.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks and library warnings.")]


def calibrate(  # noqa: PLR0913 - one parameter an option
    judges: Judges,
    labels: Labels = "builtin",
    skip_kinds: Skip = "",
    model: options.Model = "",
    base_url: options.BaseUrl = "",
    backend: options.Backend = "",
    key_env: options.KeyEnv = "",
    max_cost: options.MaxCost = None,
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

      lox-bench calibrate policy-rubric --base-url http://localhost:8000/v1 --model my-judge

    Exit codes: 0 done, 2 labels or judges that cannot be used (one line says why), 3 a judge could
    not be asked about every pair.
    """
    if not debug:
        hush_libraries()
    specs = choose_judges(judges, Elsewhere(model, base_url, backend, key_env))
    if out is not None and out.suffix not in {".csv", ".json", ".md"}:
        raise UsageError(f"--out {out}: a name ending in .csv, .json or .md was wanted")
    from lox_bench.judges.published import load_labels

    labelled = load_labels(labels).without(_kinds(skip_kinds))
    ledger = Ledger(max_cost)
    rows = [row for spec in specs for row in _measure(spec, labelled, ledger, quiet=json)]
    if out is not None:
        _write(rows, out)
    if json:
        print_json(plain(rows))
    else:
        _show(rows, labelled, out)
    Costs(Console(stderr=True), quiet=json).settle(
        ledger, "run the same command again: what was answered is remembered"
    )


def _show(rows: "Sequence[CalibrationRow]", labelled: "LabelledSet", out: Path | None) -> None:
    from lox_bench.report.calibration import kind_grid, metric_grid

    console = Console()
    console.print(rich_table(_table(metric_grid(rows), _title(labelled))))
    kinds = kind_grid(rows)
    if len(kinds) > 1:
        console.print(rich_table(_table(kinds, "Share labelled right, by kind of answer")))
    if out is not None:
        console.print(f"calibration  {out}", soft_wrap=True, markup=False)


def _kinds(text: str) -> set[str]:
    from lox_bench.grammar import split_list

    return set(split_list(text)) if text else set()


def _measure(
    spec: JudgeSpec, labelled: "LabelledSet", ledger: Ledger, *, quiet: bool
) -> "list[CalibrationRow]":
    from lox_bench.cli.progress import choose_display
    from lox_bench.codec import hash_of
    from lox_bench.judges.build import build_judge, pinned
    from lox_bench.judges.calibrate import judge_labelled
    from lox_bench.report.calibration import calibration_rows

    spec = pinned(spec)
    judge = build_judge(spec, ledger=ledger)
    console = Console(stderr=True)
    with (
        choose_display(console, quiet=quiet or not console.is_terminal) as display,
        display.stage(f"judge {labelled.name} by {spec.name}") as progress,
    ):
        outcomes = judge_labelled(judge, labelled, progress)
    return calibration_rows(spec.name, hash_of(described(spec)), labelled, outcomes)


def _write(rows: "Sequence[CalibrationRow]", out: Path) -> None:
    from lox_bench.files import write_text
    from lox_bench.report.calibration import as_csv, as_document

    try:
        if out.suffix == ".md":
            text = as_document(rows, out)
        elif out.suffix == ".csv":
            text = as_csv(rows)
        else:
            text = jsonlib.dumps(plain(rows), indent=2, allow_nan=False) + "\n"
        write_text(out, text)
    except OSError as error:
        raise StoreError(f"--out {out} cannot be written ({error.strerror})") from error


def _title(labelled: "LabelledSet") -> str:
    skipped = f", {labelled.skipped} without a majority label left out" if labelled.skipped else ""
    return (
        f"Labels: {labelled.name}, {len(labelled.pairs)} pairs{skipped} "
        f"(columns: {', '.join(labelled.columns)})"
    )


def _table(grid: "Grid", title: str) -> TextTable:
    rows = tuple(tuple(cell.replace("*", "") for cell in line) for line in grid[1:])
    return TextTable(title, tuple(grid[0]), rows, "value [95 % interval] n", numbers=1)
