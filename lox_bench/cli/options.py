"""Options that commands share: what is studied, how much of it, and how the result is shown."""

from pathlib import Path
from typing import Annotated

import typer

from lox_bench.cli import completion
from lox_bench.cli.making import Where
from lox_bench.cli.within import within
from lox_bench.ranges import MOST
from lox_bench.study.request import MOST_SAMPLES, MOST_TEMPERATURE

Study = Annotated[
    str | None,
    typer.Argument(
        metavar="STUDY",
        autocompletion=completion.studies,
        help="A study: a name (see list studies) or FILE.toml; options override what it says.",
    ),
]
Models = Annotated[
    str,
    typer.Option(
        "--models",
        "--model",
        autocompletion=completion.models,
        help="Comma list of variants: base, aligned, lox, lox(k=2,alpha=0.5), NAME=PATH_OR_HUB_ID, "
        "NAME=openai:URL#MODEL (served); methods add up, lox(k=6)+safe-lora(tau=0.5), each at its "
        "place (see list methods); lox(k=2|6,alpha=0.5|1) is all four.",
    ),
]
Attack = Annotated[
    str,
    typer.Option(
        "--attack",
        "--attacks",
        autocompletion=completion.attacks,
        help="Comma list of attacks, or none: gsm8k, gsm8k(lr=2e-5,epochs=4), and grids "
        "gsm8k(lr=1e-5..2e-4:5,epochs=1|2); a name (see list attacks) or FILE.toml. Unattacked "
        "rows always appear.",
    ),
]
AttackSearch = Annotated[
    int | None,
    typer.Option(
        help="Tune each attack against each model in N trials, on the dev prompts.",
        callback=within(1, MOST),
    ),
]
AccuracySlack = Annotated[
    float,
    typer.Option(
        help="Of several attack points, those count whose accuracy is at most X points below the "
        "model's best.",
        callback=within(0, 100),
    ),
]
DefenceSearch = Annotated[
    int | None,
    typer.Option(
        help="Tune the arguments of each method in N trials, on the dev prompts, against the "
        "attack; lox(k=2..32) says where to look. The chosen point is measured beside the "
        "family's own.",
        callback=within(1, MOST),
    ),
]
MaxOverRefusal = Annotated[
    float,
    typer.Option(
        help="Of several arguments, those count whose over-refusal is at most X points above that "
        "of aligned.",
        callback=within(0, 100),
    ),
]
MaxAccuracyLoss = Annotated[
    float,
    typer.Option(
        help="Of several arguments, those count whose accuracy after the attack is at most X "
        "points below that of aligned.",
        callback=within(0, 100),
    ),
]
EvalEvery = Annotated[
    int | None,
    typer.Option(
        help="Measure attacked models every N optimiser steps on the way.", callback=within(1, MOST)
    ),
]
Accelerate = Annotated[
    str,
    typer.Option(
        help="Train attacks in several processes: ddp or fsdp, ddp(processes=4), or an accelerate "
        "configuration FILE.yaml."
    ),
]
Checkpointing = Annotated[
    bool,
    typer.Option(
        "--checkpointing/--no-checkpointing",
        help="Trainings compute activations again instead of keeping them: less memory, slower, "
        "the same weights.",
    ),
]
Base = Annotated[
    str,
    typer.Option(
        help="Another base: a rung of the family (sft), a folder, or hf://org/name@commit."
    ),
]
Aligned = Annotated[
    str, typer.Option(help="Another aligned model, named likewise; no alignment is then run here.")
]
Families = Annotated[
    str,
    typer.Option(
        "--family",
        "--families",
        autocompletion=completion.families,
        help="Base and aligned pair: a name (see list families) or FILE.toml; a comma list makes "
        "a run of each, and one leaderboard of all.",
    ),
]
Family = Annotated[
    str,
    typer.Option(
        help="Base and aligned pair: a name (see list families) or FILE.toml.",
        autocompletion=completion.families,
    ),
]
Prompts = Annotated[
    str,
    typer.Option(
        "--prompts",
        "--prompt",
        help="Comma list of prompt sets: names (see list tasks, data list), FILE.toml, or any file "
        "of prompts, FILE.csv (a column expected_refusal parts look-alikes off).",
        autocompletion=completion.prompts,
    ),
]
Utility = Annotated[
    str,
    typer.Option(
        "--utility",
        "--utilities",
        help="Comma list of lm-eval's tasks or groups, arc_easy,mmlu(num_fewshot=5), or FILE.yaml; "
        "besides the attacks' own.",
        autocompletion=completion.utilities,
    ),
]
Backend = Annotated[
    str,
    typer.Option(
        help="Who computes answers: hf, vllm, vllm(tensor_parallel=2), auto; openai(key_env=NAME) "
        "says how served models are asked.",
        autocompletion=completion.backends,
    ),
]
Samples = Annotated[
    int,
    typer.Option(help="Draw N answers to each prompt.", callback=within(1, MOST_SAMPLES)),
]
Temperature = Annotated[
    float,
    typer.Option(
        help="Draw tokens at this temperature; 0: greedy.", callback=within(0, MOST_TEMPERATURE)
    ),
]
Judges = Annotated[
    str,
    typer.Option(
        "--judges",
        "--judge",
        help="Comma list of judges (see list judges); each gets rows of its own.",
        autocompletion=completion.judges,
    ),
]
Seed = Annotated[
    str,
    typer.Option("--seed", "--seeds", help="Seed, list 0,1,2 or 0..2, of alignment and attack."),
]
AlignSeeds = Annotated[
    str | None,
    typer.Option(
        "--align-seeds",
        "--align-seed",
        help="Seeds of the alignment alone (default: those of --seeds).",
    ),
]
AttackSeeds = Annotated[
    str | None,
    typer.Option(
        "--attack-seeds",
        "--attack-seed",
        help="Seeds of the attack alone (default: those of --seeds).",
    ),
]
PrintStudy = Annotated[
    bool,
    typer.Option("--print-study", help="Print the study file that this command means; do nothing."),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Show the stages, what is stored, time and disk; make nothing."),
]
Limit = Annotated[
    int | None,
    typer.Option(
        help="Use only N prompts of each set, evenly spaced (a quick look).",
        callback=within(1, MOST),
    ),
]
MaxSteps = Annotated[
    int | None,
    typer.Option(
        help="Stop every training after N steps (a smoke test, no result).",
        callback=within(1, MOST),
    ),
]
Split = Annotated[
    str,
    typer.Option(
        help="Prompt split: eval (held out) or dev (to choose k and alpha).",
        autocompletion=completion.splits,
    ),
]
Data = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=FILE",
        help="Your own file for an attack or prompt set, NAME=FILE; for accuracy NAME/test=FILE.",
    ),
]
Columns = Annotated[
    str,
    typer.Option(
        "--columns",
        "--column",
        metavar="NAME=COLUMN,...",
        help="What your file calls the columns that attacks read: question=q,answer=a.",
    ),
]
StrictData = Annotated[
    bool,
    typer.Option(
        "--strict-data/--no-strict-data", help="Fail rather than use a stand-in data set."
    ),
]
Executor = Annotated[
    Where,
    typer.Option(
        help="Where stages are made: processes of this machine, or a Ray cluster (extra [ray])."
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        help="Make N stages at once (local: 1; ray: one a GPU, or a node). Each worker has its "
        "share of the threads, which can change last digits; OMP_NUM_THREADS sets it.",
        callback=within(1, MOST),
    ),
]
Address = Annotated[
    str,
    typer.Option(help="Ray cluster, HOST:PORT or auto (default: one is started on this machine)."),
]
StoreUrl = Annotated[
    str,
    typer.Option(
        "--store",
        envvar="LOX_BENCH_STORE",
        help="Artifacts at a URL, s3://BUCKET/FOLDER or another of fsspec's (extra [s3]); "
        "$LOX_BENCH_CACHE is then each machine's copy.",
    ),
]
Out = Annotated[
    Path | None, typer.Option(help="Results folder (default: runs/, the day, and what is tested).")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print the rows as JSON, nothing else.")]
FilesJson = Annotated[
    bool, typer.Option("--json", help="Print the files that were written as JSON, nothing else.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks and library warnings.")]
