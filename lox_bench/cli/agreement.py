"""``lox-bench agreement``: how far the judges of a run agree, and where they do not."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from lox_bench.cli.jsonout import plain, print_json
from lox_bench.cli.where import RunFolder
from lox_bench.cli.writing import rich_table
from lox_bench.errors import UsageError
from lox_bench.results.text_table import TextTable

if TYPE_CHECKING:
    from lox_bench.results.agreement import Agreement, PairAgreement
    from lox_bench.stats.bootstrap import Estimate
    from lox_bench.types import Rate

_HEAD: Final = ("task", "judges", "agreement", "kappa", "alpha", "n")
_NOTE: Final = (
    "value, 95 % interval; kappa: Cohen's, alpha: Krippendorff's; n: answers that both judges "
    "labelled (alpha: at least two)"
)

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
    console.print(rich_table(_table(held)))
    console.print(f"Answers by label (tasks: {held[-1].task})")
    for pair in held[-1].pairs:
        console.print(rich_table(_confusion(pair)))
    console.print(f"disputed answers  {page_file(opened)}", soft_wrap=True, markup=False)


def summary(run: Path) -> str:
    """One line for the end of a run with several judges: alpha over all of them."""
    from lox_bench.results.agreement import agreement as measure
    from lox_bench.results.run import open_run

    last = measure(open_run(run))[-1]
    value = _shown(last.alpha).replace("\n", ", ")
    return f"Krippendorff's alpha {value} (tasks: {last.task}, n={last.alpha.n})"


def _table(held: "Sequence[Agreement]") -> TextTable:
    rows: list[tuple[str, ...]] = []
    for item in held:
        for pair in item.pairs:
            figures = (_shown(pair.agreement), _shown(pair.kappa), "", str(pair.kappa.n))
            rows.append((item.task, "\n".join(pair.judges), *figures))
        rows.append((item.task, "all judges", "", "", _shown(item.alpha), str(item.alpha.n)))
    return TextTable("Agreement between judges", _HEAD, tuple(rows), _NOTE, numbers=2)


def _confusion(pair: "PairAgreement") -> TextTable:
    from lox_bench.results.agreement import LABELS

    first, second = pair.judges
    rows = tuple(
        (label, *map(str, counts)) for label, counts in zip(LABELS, pair.table, strict=True)
    )
    return TextTable("", (f"{first} \\ {second}", *LABELS), rows, numbers=1)


def _shown(value: "Rate | Estimate") -> str:
    if not value.n or math.isnan(value.value):
        return "-"
    interval = "" if math.isnan(value.low) else f"{value.low:.2f} to {value.high:.2f}"
    return f"{value.value:.2f}\n{interval}"
