"""Does a model's safety survive fine-tuning, and does hardening it help? Measure it.

The way through; what stands between brackets is stored, keyed by the hash of everything upstream::

    argv -> Study -> Variants -> Graph -> [weights -> answers -> verdicts] -> rates -> leaderboard
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_LAZY = {"harden": "lox_bench.weights.api"}  # loads torch, so only when it is asked for


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
