"""Which device computes, and in which precision."""

import os

import torch


def pick_device() -> torch.device:
    """CUDA when there is one, else the CPU; ``LOX_BENCH_DEVICE`` overrides."""
    asked = os.environ.get("LOX_BENCH_DEVICE")
    if asked:
        return torch.device(asked)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def has_fast_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 matrices natively."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported())  # noqa: SLF001 - torch has no public one


def compute_dtype(device: torch.device) -> torch.dtype:
    """Bfloat16 where it pays, float32 elsewhere."""
    return torch.bfloat16 if has_fast_bf16(device) else torch.float32
