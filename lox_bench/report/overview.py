"""What the plain pictures of a run show when it has many attack points: the ends and the worst."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lox_bench.attacks.stage import Snapshot
from lox_bench.results.row import Row
from lox_bench.results.run import NO_ATTACK, VariantName
from lox_bench.search.play import Findings
from lox_bench.study.measure import VariantResult


def overview(results: Sequence[VariantResult], findings: Findings | None) -> dict[VariantName, str]:
    """Variants to draw, and what their attack is called in a picture.

    Snapshots have a picture of their own; of several points of an attack, the plain one and the
    first judge's worst one are shown.
    """
    ends = [r.variant.name for r in results if not isinstance(r.variant.tuned, Snapshot)]
    if findings is None:
        return {variant: variant.attack for variant in ends}
    worst: dict[VariantName, str] = {}
    for case in findings.worst:
        variant = VariantName(case.model, case.point, case.seed)
        worst.setdefault(variant, f"{case.attack}, worst of {case.points}")
    attacks = {NO_ATTACK, *(case.attack for case in findings.worst)}
    plain = {variant: variant.attack for variant in ends if variant.attack in attacks and variant not in worst}
    return {variant: {**plain, **worst}[variant] for variant in ends if variant in {**plain, **worst}}


def overview_rows(rows: Sequence[Row], shown: Mapping[VariantName, str]) -> list[Row]:
    """Rows of the variants in ``shown``, their attack called as there."""
    held = [(VariantName(row.model, row.attack, row.seed), row) for row in rows]
    return [replace(row, attack=shown[variant]) for variant, row in held if variant in shown]
