"""`lox-bench` in a process that may be killed, forked from one that has imported everything.

A run of a pico study takes three seconds, the imports ten: tests that start dozens of runs start
them from here.
"""

import multiprocessing
import os
import sys
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

_IMPORTED = ["lox_bench.cli.session", "lox_bench.attacks.sft", "lox_bench.alignment.dpo",
             "lox_bench.alignment.pairs", "lox_bench.backends.hf", "lox_bench.methods.apply",
             "lox_bench.utility.harness", "lox_bench.search.play", "lox_bench.report.output",
             "lox_bench.report.plots", "lox_bench.study.measure", "lm_eval", "trl", "matplotlib",
             "lox_bench.cli.main", "support.forked"]  # fmt: skip
SMALL = 64 << 10  # bytes; the weights of a pico model are to count as large


def start(
    arguments: list[str], *, cache: Path, said: Path, cwd: Path | None = None, **more: str
) -> BaseProcess:
    """A running `lox-bench`; what it says goes to a file; ``more`` is its environment."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_IMPORTED)
    environment = {"LOX_BENCH_CACHE": str(cache), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    work = cwd or Path.cwd()
    child = context.Process(target=_main, args=(arguments, environment | more, said, work))
    child.start()
    return child


def more_paths(environment: Mapping[str, str]) -> list[str]:
    """What a new process would find on PYTHONPATH, and a forked one has to be told."""
    return environment.get("PYTHONPATH", "").split(os.pathsep)


def _main(arguments: list[str], environment: Mapping[str, str], said: Path, cwd: Path) -> None:
    from lox_bench.engine import artifact, freed, store

    artifact.ALWAYS_READ = store.ALWAYS_READ = freed.LASTING = SMALL  # type: ignore[misc]
    os.environ.update(environment)
    os.chdir(cwd)
    sys.path[:0] = [path for path in more_paths(environment) if path]
    sys.argv = ["lox-bench", *arguments]
    with said.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        from lox_bench.cli.main import entry

        entry()
