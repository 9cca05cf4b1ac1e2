"""A whole checkpoint hardened: seconds and memory, beside the disk's own time and mergekit's merge.

A pair of random bf16 checkpoints of LLaMA-2-7B's shape is written once (27 GB below --scratch, and
half as much again for each output): differences with the spectrum of a real alignment, or ``hard``
ones, whose neighbouring singular values lie within 1 %. Then, in every round of the same run, all
from the disk (the page cache is dropped before each):

    copy      reads both and writes one, with the threads of the transform: the yardstick
    harden    ``lox-bench harden --k 6``, Python's start included
    mergekit  its linear merge of the same pair, where --mergekit names its command

    python benchmarks/harden.py --scratch /tmp/harden --rounds 1
    python benchmarks/harden.py --scratch /tmp/harden --spectra measured hard --mergekit PATH
    python benchmarks/harden.py --profile                   # one matrix of each shape, part by part

Figures count on an idle machine only.
"""

import argparse
import collections
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise
from multiprocessing import Process
from pathlib import Path

import torch
from lox_inputs import LLAMA2_7B, difference_of, llama_shapes, write_pair

from lox_bench.cli.progress import SilentDisplay
from lox_bench.weights.checkpoint import open_checkpoint, tensor_reader
from lox_bench.weights.lox import difference, move, project
from lox_bench.weights.shards import write_shards

K, ALPHA = 6, 1.25
MERGE = """\
merge_method: linear
dtype: bfloat16
models:
  - model: {base}
    parameters: {{weight: 0.5}}
  - model: {aligned}
    parameters: {{weight: 0.5}}
"""


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()) / "harden")
    parser.add_argument("--spectra", nargs="+", choices=("measured", "hard"), default=["measured"])
    parser.add_argument("--layers", type=int, default=LLAMA2_7B["num_hidden_layers"])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--mergekit", help="the command mergekit-yaml of some environment")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--keep", action="store_true", help="keep the inputs for the next time")
    parser.add_argument("--profile", action="store_true", help="parts of the work, no checkpoint")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, {torch.get_num_threads()} threads, torch {torch.__version__}")
    model = {**LLAMA2_7B, "num_hidden_layers": options.layers}
    for spectrum in options.spectra:
        if options.profile:
            profile(model, spectrum)
        else:
            whole(model, spectrum, options)


def whole(model: dict[str, int], spectrum: str, options: argparse.Namespace) -> None:
    """Write the pair, run the ways in turn, say what each took."""
    scratch = options.scratch / spectrum
    base, aligned, out = (scratch / name for name in ("base", "aligned", "out"))
    if not aligned.is_dir():  # in a process of its own: a child's peak begins with its parent's
        writing = Process(target=write_pair, args=(base, aligned, model, spectrum, print))
        writing.start()
        writing.join()
    ways = {
        "copy": [sys.executable, __file__, "copy", str(base), str(aligned), str(out)],
        "harden": [
            *(sys.executable, "-c", "from lox_bench.cli.main import entry; entry()", "harden"),
            *("--base", str(base), "--aligned", str(aligned), "--out", str(out)),
            *("--k", str(K), "--alpha", str(ALPHA), "--device", options.device),
        ],
    }
    if options.mergekit:
        recipe = scratch / "merge.yml"
        recipe.write_text(MERGE.format(base=base, aligned=aligned))
        ways["mergekit"] = [options.mergekit, str(recipe), str(out), "--lazy-unpickle"]
        ways["mergekit"] += ["--no-copy-tokenizer", "--no-write-model-card"]
    taken = collections.defaultdict(list)
    try:
        for _ in range(options.rounds):
            for name, command in ways.items():
                forget([base, aligned])
                seconds, peak = child(command)
                taken[name].append(seconds)
                shutil.rmtree(out)
                ratio = seconds / statistics.median(taken["copy"])
                print(f"{spectrum:9} {name:9} {seconds:7.1f} s {ratio:6.2f} x  {peak:5.2f} GiB")
    finally:
        if not options.keep:
            shutil.rmtree(scratch)


def child(command: Sequence[str]) -> tuple[float, float]:
    """Seconds of a command, and its peak resident memory in GiB."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"exit code {process.returncode}: {' '.join(command)}")
    return time.perf_counter() - start, usage.ru_maxrss / (1 << 20)


def copy(base: Path, aligned: Path, out: Path) -> None:
    """Read both checkpoints and write the second one, with the threads of the transform."""
    out.mkdir()
    source, target = open_checkpoint(base), open_checkpoint(aligned)
    with ExitStack() as stack, SilentDisplay().stage("copy") as progress:
        before, after = tensor_reader(source, stack), tensor_reader(target, stack)
        planned = {name: (name, held.dtype, held.shape) for name, held in target.tensors.items()}
        work = (lambda name: (before(name), after(name)), lambda _, pair: pair[1])
        write_shards(target, planned, out, work, progress)


def profile(model: dict[str, int], spectrum: str) -> None:
    """Seconds of each part on one matrix of each shape, times how many there are."""
    rng = torch.Generator().manual_seed(0)
    total = collections.Counter[str]()
    shapes = [(name, shape) for name, shape in llama_shapes(model) if len(shape) > 1]
    kinds = {(name.split(".")[-2], shape): name for name, shape in shapes}
    counts = collections.Counter((name.split(".")[-2], shape) for name, shape in shapes)
    for kind, name in kinds.items():
        base = torch.randn(kind[1], generator=rng).mul_(0.02)
        aligned = (base + difference_of(name, kind[1], spectrum, rng)).bfloat16()
        base = base.bfloat16()
        parts = [parts_of(base, aligned) for _ in range(3)]
        taken = {part: statistics.median(each[part] for each in parts) for part in parts[0]}
        for part, seconds in taken.items():
            total[part] += counts[kind] * seconds
        told = "  ".join(f"{part} {seconds:.3f} s" for part, seconds in taken.items())
        print(f"{kind[0]:12} {kind[1][0]:6} x {kind[1][1]:6} x {counts[kind]:3}  {told}")
    for part, seconds in total.items():
        print(f"{spectrum:9} {part:14} {seconds:7.1f} s")
    print(f"{spectrum:9} {'together':14} {sum(total.values()):7.1f} s")


def parts_of(base: torch.Tensor, aligned: torch.Tensor) -> dict[str, float]:
    """Seconds of each part of hardening one matrix."""
    marks = [time.perf_counter()]
    delta = difference(base, aligned)
    marks.append(time.perf_counter())
    step = project(delta, K)
    marks.append(time.perf_counter())
    move(aligned, step, ALPHA, torch.bfloat16)
    marks.append(time.perf_counter())
    names = ("difference", "decomposition", "result")
    return {
        name: after - before for name, (before, after) in zip(names, pairwise(marks), strict=True)
    }


def forget(folders: list[Path]) -> None:
    """Drop the inputs from the page cache, so that every run reads from the disk."""
    for file in (file for folder in folders for file in folder.glob("*.safetensors")):
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


if __name__ == "__main__":
    if sys.argv[1:2] == ["copy"]:
        copy(*map(Path, sys.argv[2:]))
    else:
        main()
