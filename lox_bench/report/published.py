"""Published numbers beside one's own."""

from collections.abc import Sequence

from lox_bench.compare.published import Published, published
from lox_bench.results.row import Row
from lox_bench.results.text_table import TextTable, share
from lox_bench.stats.pool import pool

_HEAD = ("metric", "model", "attack", "published", "this run", "source")
_NOTE = (
    "Published numbers rest on the authors' prompts, judge and attack data: compare the pattern, "
    "not the digits."
)


def published_table(rows: Sequence[Row]) -> TextTable | None:
    """What was published about the rows' family; ``None`` if nothing was."""
    found = [item for family in dict.fromkeys(row.family for row in rows)
             for item in published(family)]  # fmt: skip
    if not found:
        return None
    lines = tuple(
        (
            item.metric,
            item.model,
            item.attack,
            share(item.value),
            _own(rows, item),
            f"{item.source}, read from {item.read_from}",
        )
        for item in found
    )
    return TextTable(f"Published for {found[0].family}", _HEAD, lines, _NOTE)


def _own(rows: Sequence[Row], item: Published) -> str:
    """Its counterpart here, each judge's: the same model, or that which goes by its default."""
    names = {item.model, item.counterpart}
    same = [
        row
        for row in rows
        if row.n and row.model in names and (row.attack, row.metric) == (item.attack, item.metric)
    ]
    shown = []
    for judge in dict.fromkeys(row.judge for row in same):
        pooled = pool([row.rate for row in same if row.judge == judge])
        shown.append(f"{share(pooled.value)} ({judge})")
    return ", ".join(shown) or "-"
