"""``lox-bench effective-rank``: how many directions of the alignment carry its safety."""

import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from lox_bench.cli.asked import seed_pairs
from lox_bench.cli.jsonout import plain, print_json
from lox_bench.cli.making import executor_for, open_store
from lox_bench.cli.options import (
    Debug,
    Family,
    Json,
    Judges,
    Limit,
    MaxSteps,
    Out,
    Quiet,
    Seed,
    Split,
)
from lox_bench.cli.progress import choose_display
from lox_bench.cli.quiet import hush_libraries
from lox_bench.cli.writing import rich_table
from lox_bench.results.metrics import title_of
from lox_bench.results.text_table import TextTable
from lox_bench.study.request import Request

if TYPE_CHECKING:
    from lox_bench.diagnostics.effective_rank import EffectiveRank

_HEAD: Final = (
    "judge", "seed", "effective rank", "95 %", "no larger r fails from", "metric", "aligned", "n",
)  # fmt: skip
_DEFAULT_RANKS = "1,2,3,4,6,8,12,16,24,32"

Ranks = Annotated[str, typer.Option("--ranks", "--rank", help="Comma list of the ranks r to try.")]


def effective_rank(  # noqa: PLR0913 - one parameter an option
    family: Family = "smollm2-135m",
    ranks: Ranks = _DEFAULT_RANKS,
    judges: Judges = "keyword",
    seed: Seed = "0",
    limit: Limit = None,
    max_steps: MaxSteps = None,
    split: Split = "eval",
    out: Out = None,
    quiet: Quiet = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Safety of base + Proj_r(aligned - base) for growing r, and the smallest r that is enough.

    The effective rank of arXiv 2506.15606: the smallest r whose rate exceeds the aligned model's
    by less than 0.01, with a bootstrap interval over prompts. Every r is a model of the ordinary
    pipeline: a killed sweep continues where it was, and more ranks can be added later.

    Examples:
      lox-bench effective-rank --family smollm2-135m --ranks 1,2,3,4,6,8,16

      lox-bench effective-rank --split dev --limit 40     # a quick look

    Writes effective_rank.csv, effective_rank_summary.csv, a picture for each judge, and the
    leaderboard, answers and verdicts that `run` writes.
    """
    request = Request(
        family=family,
        judges=judges,
        seeds=seed_pairs(seed),
        limit=limit,
        max_steps=max_steps,
        split=split,
    )
    if not debug:
        hush_libraries()
    from lox_bench.diagnostics.effective_rank import parse_ranks, rank_study
    from lox_bench.diagnostics.probe_output import write_ranks
    from lox_bench.diagnostics.sweep import run_sweep
    from lox_bench.report.output import RunFolder
    from lox_bench.results.place import RUNS, place

    study = rank_study(request, parse_ranks(ranks))
    words = f"effective-rank-{study.family.name}"
    console = Console(stderr=True)
    with RunFolder.claimed(out or place(RUNS, words, {"": study.key}), study) as folder:
        with choose_display(console, quiet=quiet or json) as display:
            executor = executor_for(open_store(console), display)
            results = run_sweep(study, executor, "ranks")
        answers = write_ranks(folder, study, results, sys.argv)
    if json:
        print_json(plain(answers))
    elif not quiet:
        Console().print(rich_table(_table(answers)))
        Console().print(
            f"tables, pictures, provenance  {folder.path}", soft_wrap=True, markup=False
        )


def _table(answers: "list[EffectiveRank]") -> TextTable:
    rows = tuple(
        (
            answer.judge,
            str(answer.seed),
            answer.said(answer.rank),
            answer.interval,
            answer.said(answer.settled),
            title_of(answer.metric),
            f"{answer.aligned:.3f}",
            str(answer.n),
        )
        for answer in answers
    )
    return TextTable("Effective rank of the alignment", _HEAD, rows)
