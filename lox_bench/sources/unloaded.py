"""What transformers could not load of a checkpoint, as one line with its likely cause."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from lox_bench.errors import SourceError

_SHOWN: Final = 3
_CAUSES: Final[Mapping[str, str]] = {
    "_orig_mod.": "it was saved from a compiled model; save `model._orig_mod` instead",
    "module.": "it was saved from a DataParallel wrapper; save `model.module` instead",
    "base_model.model.": "it was saved from a PEFT wrapper; save `model.merge_and_unload()` or the "
    "adapter itself instead",
}


def require_loaded(path: Path, info: Mapping[str, Any]) -> None:
    """Refuse a model some of whose weights were made up, or some of whose tensors went unused.

    Args:
        path: the model's folder.
        info: ``output_loading_info`` of transformers' ``from_pretrained``; tied weights and
            buffers that a class may ignore are not in it.

    Raises:
        SourceError: tensors are missing, unexpected, or of another shape.
    """
    missing, unexpected = sorted(info["missing_keys"]), sorted(info["unexpected_keys"])
    mismatched = sorted(info["mismatched_keys"], key=str)
    problems = [
        *_named("missing", missing),
        *_named("unexpected", unexpected),
        *_named("of another shape", [_shapes(*item) for item in mismatched]),
        *list(info.get("error_msgs") or [])[:1],
    ]
    if problems:
        raise SourceError(
            f"the weights in {path} are not those of its architecture: {'; '.join(problems)}"
            f"{_cause(unexpected)}. Nothing was made up for them"
        )


def _named(what: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return [f"{len(names)} {what} ({', '.join(names[:_SHOWN])}{more})"]


def _shapes(name: str, stored: Iterable[int], wanted: Iterable[int]) -> str:
    return f"{name}: {tuple(stored)} in the file, {tuple(wanted)} by config.json"


def _cause(unexpected: Iterable[str]) -> str:
    for name in unexpected:
        for prefix, cause in _CAUSES.items():
            if name.startswith(prefix):
                return f" (likely {cause})"
    return ""
