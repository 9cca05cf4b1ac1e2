"""``lox-bench run``: the main job."""

from pathlib import Path
from typing import Annotated

import typer

from lox_bench.cli import judging as options
from lox_bench.cli.making import Keep
from lox_bench.cli.quiet import hush_libraries
from lox_bench.engine.local import KeepWeights
from lox_bench.errors import UsageError
from lox_bench.judges.choice import Elsewhere
from lox_bench.study.request import Request, paired_seeds
from lox_bench.study.study import make_study

Models = Annotated[
    str,
    typer.Option(
        help="Comma list of variants: base, aligned, lox, lox(k=2,alpha=0.5), NAME=PATH_OR_HUB_ID."
    ),
]
Attack = Annotated[
    str,
    typer.Option(
        help="Comma list of attacks, or none: gsm8k, gsm8k(lr=2e-5,epochs=4), and grids "
        "gsm8k(lr=1e-5..2e-4:5,epochs=1|2). Unattacked rows always appear."
    ),
]
AttackSearch = Annotated[
    int | None,
    typer.Option(help="Tune each attack against each model in N trials, on the dev prompts."),
]
AccuracySlack = Annotated[
    float,
    typer.Option(
        help="Of several attack points, those count whose accuracy is at most X points below the "
        "model's best."
    ),
]
EvalEvery = Annotated[
    int | None, typer.Option(help="Measure attacked models every N optimiser steps on the way.")
]
Family = Annotated[
    str, typer.Option(help="Base and aligned pair: a name (see list families) or FILE.toml.")
]
Judges = Annotated[str, typer.Option(help="Comma list of judges; each gets rows of its own.")]
Seed = Annotated[
    str, typer.Option("--seed", "--seeds", help="Seed, or comma list, of alignment and attack.")
]
AlignSeeds = Annotated[
    str | None, typer.Option(help="Seeds of the alignment alone (default: those of --seeds).")
]
AttackSeeds = Annotated[
    str | None, typer.Option(help="Seeds of the attack alone (default: those of --seeds).")
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Show the stages, what is stored, time and disk; make nothing."),
]
Limit = Annotated[
    int | None, typer.Option(help="Use only N prompts of each set, evenly spaced (a quick look).")
]
MaxSteps = Annotated[
    int | None, typer.Option(help="Stop every training after N steps (a smoke test, no result).")
]
Split = Annotated[
    str, typer.Option(help="Prompt split: eval (held out) or dev (to choose k and alpha).")
]
Data = Annotated[
    list[str] | None,
    typer.Option(help="Use your own file: NAME=FILE.jsonl, or NAME/test=FILE.jsonl for accuracy."),
]
StrictData = Annotated[
    bool, typer.Option("--strict-data", help="Fail rather than use a stand-in data set.")
]
Out = Annotated[
    Path | None, typer.Option(help="Results folder (default: runs/ and a name of the plan).")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print the rows as JSON, nothing else.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks and library warnings.")]


def run(  # noqa: PLR0913 - one parameter an option
    models: Models = "aligned,lox",
    attack: Attack = "gsm8k",
    attack_search: AttackSearch = None,
    accuracy_slack: AccuracySlack = 5.0,
    eval_every: EvalEvery = None,
    family: Family = "smollm2-135m",
    judges: Judges = "keyword-prefix",
    judge_model: options.Model = "",
    judge_base_url: options.BaseUrl = "",
    judge_backend: options.Backend = "",
    judge_key_env: options.KeyEnv = "",
    max_cost: options.MaxCost = None,
    seed: Seed = "0",
    align_seeds: AlignSeeds = None,
    attack_seeds: AttackSeeds = None,
    limit: Limit = None,
    max_steps: MaxSteps = None,
    split: Split = "eval",
    data: Data = None,
    strict_data: StrictData = False,
    out: Out = None,
    keep_weights: Keep = KeepWeights.DEAR,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Align, harden, attack, generate, judge; write and show a leaderboard.

    Everything is cached by content in $LOX_BENCH_CACHE: kill it anywhere, run it again, and it
    goes on where it was.

    Examples:
      lox-bench run --models aligned,lox --attack gsm8k

      lox-bench run --models "base,aligned,lox(k=2,alpha=0.5)" --attack none

      lox-bench run --attack "gsm8k(lr=1e-5..2e-4,epochs=1..4)" --accuracy-slack 5

      lox-bench run --attack gsm8k --attack-search 20

      lox-bench run --attack gsm8k --eval-every 10

      lox-bench run --data gsm8k=train.jsonl --data gsm8k/test=test.jsonl --strict-data

      lox-bench run --judges keyword-prefix,policy-rubric --max-cost 2

    Exit codes: 0 done, 2 a mistake in the request (one line says which), 3 done but a judge could
    not be asked about every answer (complete it with `lox-bench judge RUN --only-unjudged`).
    """
    request = Request(
        models=models,
        attack=attack,
        family=family,
        judges=judges,
        elsewhere=Elsewhere(judge_model, judge_base_url, judge_backend, judge_key_env),
        seeds=seed_pairs(seed, align_seeds, attack_seeds),
        limit=limit,
        max_steps=max_steps,
        split=split,
        data=parse_data(data or []),
        strict_data=strict_data,
        attack_search=attack_search,
        accuracy_slack=accuracy_slack,
        eval_every=eval_every,
    )
    if not debug:
        hush_libraries()
    study = make_study(request)
    from lox_bench.cli.session import Session  # late: it loads what computes

    session = Session(quiet=quiet, json=json, max_cost=max_cost, keep=keep_weights)
    if dry_run:
        session.foresee(study)
    else:
        session.run(study, out)


def seed_pairs(
    both: str, align: str | None = None, attack: str | None = None
) -> tuple[tuple[int, int], ...]:
    """One (alignment, attack) pair a repetition, from the options for seeds.

    Raises:
        UsageError: one is no comma list of whole numbers, or they do not fit together.
    """
    common = parse_seeds(both)
    return paired_seeds(
        common if align is None else parse_seeds(align),
        common if attack is None else parse_seeds(attack),
    )


def parse_seeds(text: str) -> tuple[int, ...]:
    """Read ``--seed``.

    Raises:
        UsageError: it is no comma list of whole numbers.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise UsageError(f"--seed wants whole numbers such as 0 or 0,1,2, not {text!r}")
    return tuple(int(part) for part in parts)


def parse_data(items: list[str]) -> dict[str, Path]:
    """Read ``--data``.

    Raises:
        UsageError: an item is not ``NAME=FILE``, or a name is given twice.
    """
    files: dict[str, Path] = {}
    for item in items:
        name, equals, file = item.partition("=")
        if not equals or not name or not file:
            raise UsageError(f"--data wants NAME=FILE.jsonl, not {item!r}")
        if name in files:
            raise UsageError(f"--data names {name!r} twice")
        files[name] = Path(file).expanduser()
    return files
