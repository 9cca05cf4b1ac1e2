"""``lox-bench agreement``: how far the judges of a run agree, and where they do not."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from lox_bench.cli.jsonout import plain, print_json
from lox_bench.cli.where import RunFolder
from lox_bench.errors import UsageError

if TYPE_CHECKING:
    from lox_bench.results.agreement import Agreement, PairAgreement
    from lox_bench.stats.bootstrap import Estimate
    from lox_bench.types import Rate

Json = Annotated[bool, typer.Option("--json", help="Print the rows as JSON, nothing else.")]


def agreement(run: RunFolder, json: Json = False) -> None:
    """Compare the judges of a run: Cohen's kappa per pair, Krippendorff's alpha, disputed answers.

    Kappa and alpha are agreement beyond chance: 1 is full agreement, 0 what the judges' own base
    rates give by accident. Unjudged answers count as missing. Intervals at 95 %: bootstrap over
    prompts (Wilson for plain agreement). Writes RUN/agreement/, as `run` does with two judges.

    Examples:
      lox-bench agreement runs/2026-11-25-aligned+lox-gsm8k

      lox-bench agreement runs/mine --json | jq '.[] | select(.statistic == "cohen_kappa")'

    Exit codes: 0 done, 2 no finished run, or no two judges on one task.
    """
    from lox_bench.report.agreement import agreement_rows, page_file, write_agreement
    from lox_bench.results.run import open_run

    opened = open_run(run)
    held = write_agreement(opened)
    if not held:
        raise UsageError(
            f"agreement needs two judges on one task; the run in {run} was judged by "
            f"{', '.join(opened.judges)}: add one with `lox-bench judge {run} --judges NAME`"
        )
    if json:
        print_json(plain(agreement_rows(held)))
        return
    console = Console()
    console.print(_table(held))
    console.print(f"Answers by label (tasks: {held[-1].task})")
    for pair in held[-1].pairs:
        console.print(_confusion(pair))
    console.print(f"disputed answers  {page_file(opened)}", soft_wrap=True, markup=False)


def summary(run: Path) -> str:
    """One line for the end of a run with several judges: alpha over all of them."""
    from lox_bench.results.agreement import agreement as measure
    from lox_bench.results.run import open_run

    last = measure(open_run(run))[-1]
    value = _shown(last.alpha).replace("\n", ", ")
    return f"Krippendorff's alpha {value} (tasks: {last.task}, n={last.alpha.n})"


def _table(held: "Sequence[Agreement]") -> Table:
    table = Table(title="Agreement between judges", box=SIMPLE_HEAD, pad_edge=False)
    table.caption = (
        "value, 95 % interval; kappa: Cohen's, alpha: Krippendorff's; n: answers that both judges "
        "labelled (alpha: at least two)"
    )
    table.caption_justify = "left"
    for head in ("task", "judges"):
        table.add_column(head, overflow="fold")
    for head in ("agreement", "kappa", "alpha", "n"):
        table.add_column(head, justify="right")
    for item in held:
        for pair in item.pairs:
            names = "\n".join(pair.judges)
            row = (_shown(pair.agreement), _shown(pair.kappa), "", str(pair.kappa.n))
            table.add_row(item.task, names, *row)
        alpha = _shown(item.alpha)
        table.add_row(item.task, "all judges", "", "", alpha, str(item.alpha.n), end_section=True)
    return table


def _confusion(pair: "PairAgreement") -> Table:
    from lox_bench.results.agreement import LABELS

    first, second = pair.judges
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(f"{first} \\ {second}", overflow="fold")
    for label in LABELS:
        table.add_column(label, justify="right")
    for label, counts in zip(LABELS, pair.table, strict=True):
        table.add_row(label, *map(str, counts))
    return table


def _shown(value: "Rate | Estimate") -> str:
    if not value.n or math.isnan(value.value):
        return "-"
    interval = "" if math.isnan(value.low) else f"{value.low:.2f} to {value.high:.2f}"
    return f"{value.value:.2f}\n{interval}"
