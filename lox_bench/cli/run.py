"""``lox-bench run``: the main job."""

import sys
from pathlib import Path

import typer

from lox_bench.cli import computing, judging, options
from lox_bench.cli.asked import asked
from lox_bench.cli.making import Keep, Where, Workers
from lox_bench.cli.own_columns import with_columns
from lox_bench.cli.quiet import hush_libraries
from lox_bench.engine.local import KeepWeights
from lox_bench.errors import UsageError
from lox_bench.study.file import as_toml, located


def run(  # noqa: PLR0913 - one parameter an option
    context: typer.Context,
    study: options.Study = None,
    models: options.Models = "aligned,lox",
    attack: options.Attack = "gsm8k",
    attack_search: options.AttackSearch = None,
    accuracy_slack: options.AccuracySlack = 5.0,
    eval_every: options.EvalEvery = None,
    accelerate: options.Accelerate = "",
    checkpointing: options.Checkpointing = False,
    defence_search: options.DefenceSearch = None,
    max_over_refusal: options.MaxOverRefusal = 10.0,
    max_accuracy_loss: options.MaxAccuracyLoss = 5.0,
    family: options.Families = "smollm2-135m",
    base: options.Base = "",
    aligned: options.Aligned = "",
    prompts: options.Prompts = "harmful,lookalike",
    utility: options.Utility = "",
    backend: options.Backend = "hf",
    samples: options.Samples = 1,
    temperature: options.Temperature = 0.0,
    judges: options.Judges = "keyword,offline",
    judge_model: judging.Model = "",
    judge_base_url: judging.BaseUrl = "",
    judge_backend: judging.Backend = "",
    judge_key_env: judging.KeyEnv = "",
    max_cost: judging.MaxCost = None,
    seed: options.Seed = "0",
    align_seeds: options.AlignSeeds = None,
    attack_seeds: options.AttackSeeds = None,
    limit: options.Limit = None,
    max_steps: options.MaxSteps = None,
    split: options.Split = "eval",
    data: options.Data = None,
    columns: options.Columns = "",
    strict_data: options.StrictData = False,
    device: computing.Device = "",
    dtype: computing.Dtype = "auto",
    batch_size: computing.BatchSize = 50,
    out: options.Out = None,
    keep_weights: Keep = KeepWeights.DEAR,
    executor: options.Executor = Where.LOCAL,
    workers: options.Workers = None,
    address: options.Address = "",
    store: options.StoreUrl = "",
    print_study: options.PrintStudy = False,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Align, harden, attack, generate, judge; write and show a leaderboard.

    Everything is cached by content in $LOX_BENCH_CACHE: kill it anywhere, run it again, and it
    goes on where it was.

    Examples:
      lox-bench run --models aligned,lox --attack gsm8k

      lox-bench run lox-paper                          (a study that ships: lox-bench list studies)

      lox-bench run study.toml --seeds 0,1,2           (a file, and an option that overrides it)

      lox-bench run --models "base,aligned,lox(k=2,alpha=0.5)" --attack none

      lox-bench run --models "aligned,lox(k=2|6)+safe-lora(tau=0.5)" --print-study > study.toml

      lox-bench run --attack "gsm8k(lr=1e-5..2e-4,epochs=1..4)" --accuracy-slack 5

      lox-bench run --attack gsm8k --attack-search 20

      lox-bench run --models "aligned,lox(k=2..32)" --defence-search 20 --max-over-refusal 10

      lox-bench run --attack gsm8k --eval-every 10

      lox-bench run --data gsm8k=train.jsonl --data gsm8k/test=test.jsonl --strict-data

      lox-bench run --family olmo2-1b --base sft --aligned dpo

      lox-bench run --judges keyword,policy-rubric --max-cost 2

      lox-bench run --seeds 0..4 --workers 4           (or --executor ray --address auto)

    Exit codes: 0 done, 2 a mistake in the request (one line says which), 3 done but a judge could
    not be asked about every answer (complete it with `lox-bench judge RUN --only-unjudged`).
    """
    said = {
        "models": models,
        "attack": attack,
        "attack_search": attack_search,
        "accuracy_slack": accuracy_slack,
        "eval_every": eval_every,
        "accelerate": accelerate,
        "checkpointing": checkpointing,
        "defence_search": defence_search,
        "max_over_refusal": max_over_refusal,
        "max_accuracy_loss": max_accuracy_loss,
        "family": family,
        "base": base,
        "aligned": aligned,
        "prompts": prompts,
        "utility": utility,
        "backend": backend,
        "samples": samples,
        "temperature": temperature,
        "judges": judges,
        "judge_model": judge_model,
        "judge_base_url": judge_base_url,
        "judge_backend": judge_backend,
        "judge_key_env": judge_key_env,
        "max_cost": max_cost,
        "seed": seed,
        "align_seeds": align_seeds,
        "attack_seeds": attack_seeds,
        "limit": limit,
        "max_steps": max_steps,
        "split": split,
        "data": data,
        "strict_data": strict_data,
        "dtype": dtype,
        "batch_size": batch_size,
        "keep_weights": keep_weights,
    }
    wanted = with_columns(asked(study, said, context), columns)
    if print_study:
        sys.stdout.write(as_toml(located(wanted, Path.cwd())))
        return
    if not debug:
        hush_libraries()
    computing.use(device)
    from lox_bench.cli.studies import carry_out, foresee  # late: they load what computes

    if address and executor is not Where.RAY:
        raise UsageError(f"--address {address} is a Ray cluster's: give --executor ray, too")
    if dry_run:
        foresee(wanted, Workers(store=store), json=json)
    else:
        chosen = Workers(executor, workers, address, store, hushed=not debug)
        carry_out(wanted, out, chosen, quiet=quiet, json=json)
