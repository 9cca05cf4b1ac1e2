"""What a result was made with: versions, hardware, precision."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from lox_bench import __version__

ABSENT = "absent"
PACKAGES = (
    "torch",
    "transformers",
    "trl",
    "lm-eval",
    "datasets",
    "accelerate",
    "safetensors",
    "openai",
)


def versions() -> dict[str, str]:
    """Installed versions of what computes."""
    found = {"lox-bench": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ABSENT
    return found


def environment() -> dict[str, Any]:
    """Versions, device and arithmetic of this process (loads torch)."""
    import torch

    from lox_bench.devices import compute_dtype, pick_device

    device = pick_device()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor()
    return {
        "versions": versions(),
        "device": f"{device.type} {name}".strip(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "compute_dtype": str(compute_dtype(device)).removeprefix("torch."),
    }
