"""Published numbers beside one's own."""

from collections.abc import Sequence

from lox_bench.compare.published import Published, published
from lox_bench.results.row import Row
from lox_bench.results.text_table import TextTable, share

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
    """Its counterpart here, each judge's; ``lox`` counts as the published ``lox(...)``."""
    names = {item.model, item.model.split("(")[0]}
    same = [
        row
        for row in rows
        if row.n and row.model in names and (row.attack, row.metric) == (item.attack, item.metric)
    ]
    cells = []
    for judge in dict.fromkeys(row.judge for row in same):
        values = [row.value for row in same if row.judge == judge]
        cells.append(f"{share(sum(values) / len(values))} ({judge})")
    return ", ".join(cells) or "-"
