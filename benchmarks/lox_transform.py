"""How fast LoX is, matrix by matrix, and how exact.

Single matrices with the spectrum of a real alignment (``lox_inputs.py``), our truncated
decomposition and others' side by side with the full one; the error is that of the projected step
against the exact one, which is known by construction:

    python benchmarks/lox_transform.py                     # 4096x4096 and 4096x11008, about 4 min
    python benchmarks/lox_transform.py --without-full      # without the plain full decomposition
    python benchmarks/lox_transform.py --device cuda

A larger model by its shapes alone, each measured once and multiplied:

    python benchmarks/lox_transform.py --model llama2-70b-shape

Whole checkpoints are ``harden.py``'s.
"""

import argparse
import collections
import os
import resource
import statistics
import time
from collections.abc import Callable

import torch
from lox_inputs import (
    LLAMA2_7B,
    LLAMA2_70B,
    known_difference,
    llama_shapes,
    random_difference,
    spectra,
)
from lox_methods import METHODS, Method, full

from lox_bench.weights.change import Arithmetic, Dense

SHAPES = {"self_attn.o_proj": (4096, 4096), "mlp.down_proj": (4096, 11008)}
MODELS = {"llama2-7b-shape": LLAMA2_7B, "llama2-70b-shape": LLAMA2_70B}
GIB = 1 << 30
SLOW_S = 10.0


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=MODELS, help="a model, from one matrix of each shape")
    parser.add_argument("--without-full", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("-k", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, {torch.get_num_threads()} threads, torch {torch.__version__}")
    if options.model is None:
        compare_methods(options)
        return
    extrapolate(MODELS[options.model], options)


def compare_methods(options: argparse.Namespace) -> None:
    """Every method on every shape: seconds (median), relative error, ratio to the full one."""
    measured = spectra()
    for kind, shape in SHAPES.items():
        spectrum = next(held for name, held in measured.items() if kind in name)
        delta, exact = known_difference(*shape, spectrum, options.k)
        ratio = spectrum[options.k] / spectrum[options.k - 1]
        print(
            f"\n{shape[0]} x {shape[1]}, spectrum of {kind}, k = {options.k}, next/last {ratio:.3f}"
        )
        delta = delta.to(options.device)
        plain = float("nan")
        if not options.without_full:
            plain, error = measure(full, delta, exact, options.k, options.repeats)
            print(f"{'full decomposition':30} {plain:8.2f} s   error {error:7.1e}")
        for name, method in METHODS.items():
            if options.device != "cpu" and "scipy" in name:
                continue
            seconds, error = measure(method, delta, exact, options.k, options.repeats)
            print(f"{name:30} {seconds:8.2f} s   error {error:7.1e}   {plain / seconds:6.1f} x")


def measure(
    method: Method, delta: torch.Tensor, exact: torch.Tensor, k: int, repeats: int
) -> tuple[float, float]:
    """Median seconds, and the relative error of the projected step."""
    taken: list[float] = []
    step = delta
    for _ in range(repeats + 1):
        _synchronize()
        start = time.perf_counter()
        step = method(delta, k)
        _synchronize()
        taken.append(time.perf_counter() - start)
        if taken[0] > SLOW_S:  # once is enough
            break
    taken = taken[1:] or taken  # the first warms up
    error = float((step.cpu().double() - exact).norm() / exact.norm())
    return statistics.median(taken), error


def extrapolate(model: dict[str, int], options: argparse.Namespace) -> None:
    """Seconds of one matrix of each shape, times how many there are; the disk comes on top."""
    shapes = [shape for _, shape in llama_shapes(model) if len(shape) > 1]
    spectrum = next(iter(spectra().values()))
    rng = torch.Generator().manual_seed(0)
    arithmetic = Arithmetic(torch.device(options.device), torch.float32)
    total = 0.0
    for shape, count in collections.Counter(shapes).items():
        base = torch.randn(shape, generator=rng).mul_(0.02)
        aligned = (base + random_difference(shape, spectrum, rng)).bfloat16()
        change = Dense(base.bfloat16(), aligned)
        del base, aligned
        seconds = timed(lambda: change.harden(options.k, 1.25, torch.bfloat16, arithmetic))  # noqa: B023
        total += count * seconds
        print(f"{shape[0]:6} x {shape[1]:6}  {seconds:7.2f} s  x {count}")
    nbytes = 2 * sum(rows * columns for rows, columns in shapes)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
    print(f"compute {total / 60:.1f} min for {nbytes / GIB:.0f} GiB; peak here {peak:.1f} GiB")


def timed(work: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    work()
    _synchronize()
    return time.perf_counter() - start


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
