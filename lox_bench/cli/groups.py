"""The options of commands that have many, in groups, as ``--help`` shows them."""

from collections.abc import Mapping
from typing import Any, Final

from typer.core import TyperOption

from lox_bench.cli.once import Once

_RUNNING: Final = "How to run"
GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "What to test": (
        "models", "family", "base", "aligned", "attack", "prompts", "utility", "seed",
        "align_seeds", "attack_seeds", "split", "limit", "data",
        "columns",
    ),
    "How strong": (
        "attack_search", "accuracy_slack", "eval_every", "max_steps", "defence_search",
        "max_over_refusal", "max_accuracy_loss",
    ),
    "Who judges": (
        "judges", "judge_model", "judge_base_url", "judge_backend", "judge_key_env", "max_cost",
    ),
    _RUNNING: (
        "strict_data", "backend", "samples", "temperature", "device", "dtype", "batch_size",
        "executor", "workers", "address", "accelerate", "checkpointing", "keep_weights",
        "dry_run", "print_study",
    ),
    "Where to": ("out", "store", "quiet", "json", "debug"),
}  # fmt: skip
_OTHERS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {  # what else they have
    "reproduce": {"What to test": ("quick", "parts")},
    "effective-rank": {"What to test": ("ranks",)},
    "diagnose": {"What to test": ("finetuned", "k", "alpha", "spectrum", "top")},
    "landscape": {"What to test": ("model", "x", "y", "x_range", "y_range", "grid", "directions")},
    "judge": {
        "Who judges": ("model", "base_url", "backend", "key_env", "only_unjudged", "replace"),
    },
    "calibrate": {
        "What to test": ("labels", "skip_kinds"),
        "Who judges": ("model", "base_url", "backend", "key_env"),
    },
}
GROUPED: Final = ("run", *_OTHERS)


class Grouped(Once):
    """A command whose options stand in groups; one that is in none says how to run."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """Put each option into its group, groups in their order."""
        super().__init__(*args, **options)
        group_of = {name: group for group, names in GROUPS.items() for name in names}
        group_of |= {
            name: group
            for group, names in _OTHERS.get(str(self.name), {}).items()
            for name in names
        }
        for param in self.params:
            if isinstance(param, TyperOption):
                param.rich_help_panel = group_of.get(str(param.name), _RUNNING)
        order = list(GROUPS)
        self.params.sort(key=lambda param: _place(order, getattr(param, "rich_help_panel", None)))


def _place(order: list[str], group: str | None) -> int:
    return order.index(group) if group in order else -1
