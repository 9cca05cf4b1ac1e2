"""Results as JSON on standard output, for ``--json``."""

import json
import math
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any


def print_json(value: Any) -> None:
    """Print plain data as JSON, nothing else."""
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False) + "\n")


def plain(records: Iterable[Any]) -> list[dict[str, object]]:
    """Dataclasses as mappings; JSON has no NaN or infinity, so what is not finite is null."""
    return [{key: _finite(value) for key, value in asdict(item).items()} for item in records]


def _finite(value: object) -> object:
    if isinstance(value, tuple | list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
