"""``lox-bench run --dry-run``: the graph of a study as a table."""

from collections.abc import Sequence
from typing import Any

from lox_bench.cli.worst import duration
from lox_bench.engine.forecast import Planned
from lox_bench.engine.local import KeepWeights
from lox_bench.results.text_table import TextTable

_MEGA = 1e6


def graph_table(stages: Sequence[Planned], keep: KeepWeights) -> TextTable:
    """A line a stage in the order they are made, and the sum of what is to be made."""
    return TextTable(
        "What would be made, in order",
        ("stage", "key", "state", "time", "disk"),
        tuple((item.stage.title, item.stage.key[:8], *_cells(item, keep)) for item in stages),
        _sum(stages, keep),
        numbers=2,
    )


def as_plain(item: Planned, keep: KeepWeights) -> dict[str, Any]:
    """A stage as plain data, for ``--json``."""
    return {
        "stage": item.stage.title,
        "kind": item.stage.kind,
        "key": item.stage.key,
        "stored": item.stored,
        "to_be_made": item.needed,
        "seconds": item.seconds,
        "bytes": item.nbytes,
        "stays": not keep.drops(item.stage),
    }


def _cells(item: Planned, keep: KeepWeights) -> tuple[str, str, str]:
    if item.stored:
        return "stored", "", ""
    if not item.needed:
        return "not needed", "", ""
    time = "?" if item.seconds is None else duration(item.seconds)
    disk = "?" if item.nbytes is None else f"{item.nbytes / _MEGA:.0f} MB"
    return "make", time, f"{disk}{' *' * keep.drops(item.stage)}"


def _sum(stages: Sequence[Planned], keep: KeepWeights) -> str:
    needed = [item for item in stages if item.needed]
    known = [item for item in needed if item.seconds is not None]
    seconds = sum(item.seconds or 0.0 for item in known)
    stays = [item for item in known if not keep.drops(item.stage)]
    nbytes = sum(item.nbytes or 0.0 for item in stays)
    unknown = len(needed) - len(known)
    text = (
        f"{len(stages)} stages, {len(needed)} to be made: about {duration(seconds)} and "
        f"{nbytes / _MEGA:.0f} MB that stay (as earlier stages of the kind took)"
    )
    if unknown:
        text += f"; {unknown} stages of a kind that this cache has never made (?) come on top"
    if any(keep.drops(item.stage) for item in needed):
        text += f"\n* freed after its last use (--keep-weights {keep.value})"
    return text
