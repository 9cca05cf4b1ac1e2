"""What the sharing of stages saves, and what more workers save: one grid, run in three ways.

    python benchmarks/grid.py [--out FILE.csv] [--ways local,workers,ray]

4 models x 3 attacks x 3 prompt sets x 2 judges x 2 seeds on a pico model (two random layers: its
rows mean nothing, its stages are real). Counts the stages that are run against those of naive
recomputation, of two sorts: a script a rate (one model, attack, seed, prompt set and judge) that
makes all that its one number rests on and shares nothing with other scripts; and a script a model
(with attack and seed) that shares what its own rates have in common. Then wall time: in one
process, with two worker processes, on a two-node Ray cluster of this machine; each from an empty
store, all with one thread a worker. The rows of all must be equal, byte for byte.
"""

import argparse
import csv
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

from lox_bench.cli.main import entry
from lox_bench.engine.graph import Graph
from lox_bench.engine.stage import Stage
from lox_bench.study.measure import Stages, graph_of
from lox_bench.study.request import Request
from lox_bench.study.study import Study, make_study

ROOT = Path(__file__).parents[1]
MODELS = "aligned,lox(k=1),lox(k=2),lox(k=2)+safe-lora(tau=0.9)"
ATTACKS = "gsm8k,opener-only,identity"
PROMPTS = f"harmful,lookalike,{ROOT}/tasks/prompts/instruct-train.jsonl"
JUDGES = "keyword-prefix,keyword-anywhere"
SEEDS = "0,1"
LIMIT = 4
WAYS = ("local", "workers", "ray")
NODES = 2


@dataclass(frozen=True)
class Count:
    """Stages of one kind: in the graph, and with a script a model, or a script a rate."""

    kind: str
    shared: int
    a_model: int
    a_rate: int


def counts(study: Study) -> list[Count]:
    """By kind."""
    shared = Counter(stage.kind for stage in graph_of(study).order)
    models, rates = Counter[str](), Counter[str]()
    for variant in study.variants:
        stages = Stages(study, variant)
        models.update(_kinds([*stages.all, *stages.told]))
        for rate in (*stages.verdicts.values(), *stages.utility.values()):
            rates.update(_kinds([rate]))
    return [Count(kind, shared[kind], models[kind], rates[kind]) for kind in sorted(shared)]


def _kinds(targets: Sequence[Stage]) -> list[str]:
    return [stage.kind for stage in Graph.of(targets).order]


def arguments(family: Path, out: Path) -> list[str]:
    """Of ``lox-bench run``."""
    return [
        "run", "--family", str(family), "--models", MODELS, "--attack", ATTACKS,
        "--prompts", PROMPTS, "--judges", JUDGES, "--seeds", SEEDS, "--limit", str(LIMIT),
        "--quiet", "--out", str(out),
    ]  # fmt: skip


def run(way: Sequence[str], family: Path, folder: Path) -> tuple[float, bytes]:
    """Seconds of one run from an empty store, and its leaderboard."""
    environment = {
        **os.environ,
        "LOX_BENCH_CACHE": str(folder / "cache"),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "RAY_AUTH_MODE": "disabled",
    }
    command = [sys.executable, __file__, "--as-lox-bench", *arguments(family, folder / "out"), *way]
    begun = time.perf_counter()
    subprocess.run(command, env=environment, check=True, cwd=folder)
    return time.perf_counter() - begun, (folder / "out" / "leaderboard.csv").read_bytes()


@contextmanager
def cluster() -> Iterator[str]:
    """The address of a Ray cluster of two nodes with one CPU each, on this machine."""
    sys.path.insert(0, str(ROOT / "tests"))
    from support.clusters import started

    os.environ["RAY_AUTH_MODE"] = "disabled"
    made, _ = started(cpus=1)
    try:
        yield made.address
    finally:
        made.shutdown()


def pico_family(folder: Path) -> Path:
    """A pico Llama and its family, made as the tests make theirs."""
    sys.path.insert(0, str(ROOT / "tests"))
    from support.pico import FAMILY, pico_tokenizer, save_pico

    save_pico(folder / "base", pico_tokenizer())
    family = folder / "pico.toml"
    family.write_text(FAMILY.format(base=folder / "base"), encoding="utf-8")
    return family


def timed(way: str, family: Path, folder: Path) -> tuple[float, bytes]:
    """Run one way; the start of the cluster is not counted, since one is there before a study."""
    folder.mkdir()
    if way == "ray":
        with cluster() as address:
            chosen = ["--executor", "ray", "--address", address, "--workers", str(NODES)]
            return run(chosen, family, folder)
    return run(["--workers", "2"] if way == "workers" else [], family, folder)


def main() -> None:
    """Count, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--ways", default=",".join(WAYS))
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="grid-"))
    family = pico_family(folder)
    request = Request(
        family=str(family), models=MODELS, attack=ATTACKS, prompts=PROMPTS, judges=JUDGES,
        seeds=((0, 0), (1, 1)), limit=LIMIT,
    )  # fmt: skip
    found = counts(make_study(request))
    rows: list[list[object]] = [["stages", *astuple(item)] for item in found]
    total = [sum(column) for column in zip(*(astuple(item)[1:] for item in found), strict=True)]
    rows.append(["stages", "all", *total])
    print(f"{'kind':12} {'run':>6} {'a script a model':>18} {'a script a rate':>18}")
    for row in rows:
        print(f"{row[1]:12} {row[2]:6} {row[3]:18} {row[4]:18}")
    factors = [count / total[0] for count in total[1:]]
    print(f"{'':19} {factors[0]:17.1f}x {factors[1]:17.1f}x")
    boards = {}
    for way in filter(None, asked.ways.split(",")):
        seconds, boards[way] = timed(way, family, folder / way)
        rows.append(["seconds", way, round(seconds, 1), "", ""])
        print(f"{way}: {seconds:.1f} s", flush=True)
    if len(set(boards.values())) > 1:
        raise SystemExit(f"the rows differ: see {folder}")
    print(f"rows of {', '.join(boards)} are equal, byte for byte")
    if asked.out is not None:
        with asked.out.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(
                [["what", "which", "run", "a script a model", "a script a rate"], *rows]
            )
    shutil.rmtree(folder)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--as-lox-bench"]:
        del sys.argv[1]
        entry()
    else:
        main()
