"""``lox-bench run --dry-run``: the graph of a study as a table."""

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from lox_bench.cli.worst import duration
from lox_bench.engine.forecast import Planned
from lox_bench.engine.local import KeepWeights

_MEGA = 1e6


def graph_table(stages: Sequence[Planned], keep: KeepWeights) -> Table:
    """A line a stage in the order they are made, and the sum of what is to be made."""
    table = Table(title="What would be made, in order", box=SIMPLE_HEAD, pad_edge=False)
    for name in ("stage", "key"):
        table.add_column(name, overflow="fold")
    for name in ("state", "time", "disk"):
        table.add_column(name, justify="right", no_wrap=True)
    for item in stages:
        table.add_row(escape(item.stage.title), item.stage.key[:8], *_cells(item, keep))
    table.caption, table.caption_justify = _sum(stages, keep), "left"
    return table


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
        return "[green]stored[/]", "", ""
    if not item.needed:
        return "[dim]not needed[/]", "", ""
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
