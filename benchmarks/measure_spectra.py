"""Measure the singular spectra of a real alignment; wrote spectra.json from the default family.

    python benchmarks/measure_spectra.py BASE_FOLDER ALIGNED_FOLDER > benchmarks/spectra.json

One layer in the middle, every kind of matrix, and the embedding; divided by the largest value.
"""

import argparse
import json
from contextlib import ExitStack
from pathlib import Path

import torch

from lox_bench.weights.checkpoint import open_checkpoint, tensor_reader


def main() -> None:
    """Print JSON: tensor -> singular values."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", type=Path)
    parser.add_argument("aligned", type=Path)
    options = parser.parse_args()
    base, aligned = open_checkpoint(options.base), open_checkpoint(options.aligned)
    matrices = [name for name, held in base.tensors.items() if len(held.shape) > 1]
    layers = {int(name.split(".")[2]) for name in matrices if ".layers." in name}
    middle = f".layers.{max(layers) // 2}."
    found: dict[str, list[float]] = {}
    with ExitStack() as stack:
        before, after = (tensor_reader(checkpoint, stack) for checkpoint in (base, aligned))
        for name in matrices:
            if middle in name or "embed" in name:
                delta = after(name).double() - before(name).double()
                sigma = torch.linalg.svdvals(delta)
                found[name] = [float(f"{value:.4g}") for value in (sigma / sigma[0]).tolist()]
    lines = [f"{json.dumps(name)}: {json.dumps(sigma)}" for name, sigma in found.items()]
    print("{" + ",\n".join(lines) + "}")


if __name__ == "__main__":
    main()
