"""What the plain pictures of a run show when it has many attack points: the ends and the worst."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lox_bench.results.record import VariantRecord
from lox_bench.results.row import Row
from lox_bench.results.run import NO_ATTACK, VariantName
from lox_bench.search.play import Findings


def overview(
    variants: Sequence[VariantRecord], findings: Findings | None
) -> dict[VariantName, str]:
    """Models to draw, and what their attack is called in a picture.

    Snapshots have a picture of their own; of several points of an attack, the plain one and the
    first judge's worst one are shown.
    """
    ends = [VariantName.of(variant) for variant in variants if variant.snapshot_step is None]
    if findings is None:
        return {name: name.attack for name in ends}
    worst: dict[VariantName, str] = {}
    for case in findings.worst:
        name = VariantName(case.model, case.point, case.seed)
        worst.setdefault(name, f"{case.attack}, worst of {case.points}")
    attacks = {NO_ATTACK, *(case.attack for case in findings.worst)}
    plain = {name: name.attack for name in ends if name.attack in attacks and name not in worst}
    return {name: {**plain, **worst}[name] for name in ends if name in {**plain, **worst}}


def overview_rows(rows: Sequence[Row], shown: Mapping[VariantName, str]) -> list[Row]:
    """Rows of the models in ``shown``, their attack called as there."""
    held = [(VariantName.of(row), row) for row in rows]
    return [replace(row, attack=shown[name]) for name, row in held if name in shown]
