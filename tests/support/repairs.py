"""Four related checkpoints, and what a method makes of them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from lox_bench.methods.apply import apply_method
from lox_bench.methods.method import Folders

WEIGHTS = "model.safetensors"
Edit = Callable[[str, Tensor], Tensor]


def derived(folder: Path, source: Path, edit: Edit) -> Path:
    """A copy of a checkpoint with other weights."""
    shutil.copytree(source, folder)
    weights = {name: edit(name, tensor) for name, tensor in load_file(source / WEIGHTS).items()}
    save_file(weights, folder / WEIGHTS, {"format": "pt"})
    return folder


def noise(seed: int, size: float) -> Edit:
    generator = torch.Generator().manual_seed(seed)
    return lambda _, held: held + size * torch.randn(held.shape, generator=generator)


def applied(method: Any, folders: Folders, silent: Any) -> tuple[dict[str, Tensor], Any]:
    out = folders.tuned.parent / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    facts = apply_method(method, folders, out, silent)
    json.dumps(dict(facts))
    return load_file(out / WEIGHTS), facts


def held(folders: Folders) -> list[dict[str, Tensor]]:
    places = (folders.base, folders.aligned, folders.start, folders.tuned)
    return [load_file(place / WEIGHTS) for place in places]
