"""What the plain pictures of a run show when it has many attack points: the ends and the worst."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lox_bench.results.row import Row
from lox_bench.results.run import NO_ATTACK, VariantName
from lox_bench.search.play import Findings
from lox_bench.study.pipeline import CellResult
from lox_bench.study.variants import Snapshot


def overview(results: Sequence[CellResult], findings: Findings | None) -> dict[VariantName, str]:
    """Cells to draw, and what their attack is called in a picture.

    Snapshots have a picture of their own; of several points of an attack, the plain one and the
    first judge's worst one are shown.
    """
    ends = [r.cell.name for r in results if not isinstance(r.cell.recipe, Snapshot)]
    if findings is None:
        return {cell: cell.attack for cell in ends}
    worst: dict[VariantName, str] = {}
    for case in findings.worst:
        cell = VariantName(case.model, case.point, case.seed)
        worst.setdefault(cell, f"{case.attack}, worst of {case.points}")
    attacks = {NO_ATTACK, *(case.attack for case in findings.worst)}
    plain = {cell: cell.attack for cell in ends if cell.attack in attacks and cell not in worst}
    return {cell: {**plain, **worst}[cell] for cell in ends if cell in {**plain, **worst}}


def overview_rows(rows: Sequence[Row], shown: Mapping[VariantName, str]) -> list[Row]:
    """Rows of the cells in ``shown``, their attack called as there."""
    held = [(VariantName(row.model, row.attack, row.seed), row) for row in rows]
    return [replace(row, attack=shown[cell]) for cell, row in held if cell in shown]
