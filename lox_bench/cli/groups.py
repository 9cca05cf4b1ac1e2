"""The options of ``run`` in groups, as ``--help`` shows them."""

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
_GROUP_OF: Final = {name: group for group, names in GROUPS.items() for name in names}


class Grouped(Once):
    """A command whose options stand in groups; one that is in none says how to run."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """Put each option into its group, groups in their order."""
        super().__init__(*args, **options)
        for param in self.params:
            if isinstance(param, TyperOption):
                param.rich_help_panel = _GROUP_OF.get(str(param.name), _RUNNING)
        order = list(GROUPS)
        self.params.sort(key=lambda param: _place(order, getattr(param, "rich_help_panel", None)))


def _place(order: list[str], group: str | None) -> int:
    return order.index(group) if group in order else -1
