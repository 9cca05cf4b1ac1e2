"""``lox-bench judge``: label the stored answers of a finished run with more judges."""

from typing import Annotated

import typer

from lox_bench.cli import judging as options
from lox_bench.cli.completion import judges as judge_names
from lox_bench.cli.jsonout import plain, print_json
from lox_bench.cli.quiet import hush_libraries
from lox_bench.cli.where import RunFolder
from lox_bench.judges.choice import Elsewhere, choose_judges

Judges = Annotated[
    str,
    typer.Option(
        "--judges",
        "--judge",
        help="Comma list of judges: names (lox-bench list judges) or FILE.toml.",
        autocompletion=judge_names,
    ),
]
OnlyUnjudged = Annotated[
    bool,
    typer.Option("--only-unjudged", help="Ask again, and only, where no verdict was reached."),
]
Replace = Annotated[
    bool,
    typer.Option("--replace", help="Overwrite verdicts of another judge of the same name."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print the rows as JSON, nothing else.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks and library warnings.")]


def judge(  # noqa: PLR0913 - one parameter an option
    run: RunFolder,
    judges: Judges,
    only_unjudged: OnlyUnjudged = False,
    replace: Replace = False,
    model: options.Model = "",
    base_url: options.BaseUrl = "",
    backend: options.Backend = "",
    key_env: options.KeyEnv = "",
    max_cost: options.MaxCost = None,
    quiet: Quiet = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Judge a finished run's stored answers; nothing is generated.

    Only answers without a verdict of the judge are asked about, and no request is paid for twice:
    replies are kept in $LOX_BENCH_CACHE. Verdicts, leaderboard.csv and manifest.json are updated.

    Examples:
      lox-bench judge runs/NAME --judges keyword-anywhere

      lox-bench judge runs/NAME --judges policy-rubric,refusal --max-cost 2

      lox-bench judge runs/NAME --judges llama-guard --base-url http://gpu-box:8000/v1

      lox-bench judge runs/NAME --judges policy-rubric --backend hf --model ./judge-model

      lox-bench judge runs/NAME --judges policy-rubric --only-unjudged

    A judge with another --model is another judge, called NAME@MODEL. With --base-url the spec's key
    and prices do not apply: name a key with --key-env, prices in a spec of your own.

    Exit codes: 0 done, 2 a mistake in the request, 3 written but a judge could not be asked about
    every answer.
    """
    elsewhere = Elsewhere(model, base_url, backend, key_env)
    specs = choose_judges(judges, elsewhere)
    if not debug:
        hush_libraries()
    from lox_bench.cli.rejudging import Rejudging  # late: it loads what judges

    work = Rejudging(run, quiet=quiet or json, max_cost=max_cost)
    rows = work.judge(specs, only_unjudged=only_unjudged, replace=replace)
    if json:
        print_json(plain(rows))
    work.settle()
