"""A variant put under one point of an attack, at its end or on the way."""

import math
from dataclasses import replace

from lox_bench.attacks.points import AttackPoint
from lox_bench.attacks.stage import AttackRows
from lox_bench.errors import UsageError
from lox_bench.study.variant import PlannedAttack, Variant


def under_attack(
    variant: Variant, point: AttackPoint, rows: AttackRows, mixed: AttackRows | None = None
) -> Variant:
    """The variant under one point of an attack, on rows and those that are mixed in.

    Raises:
        UsageError: the attack wants more rows than there are, or the model is served.
    """
    if variant.is_served:
        raise UsageError(
            f"model {variant.label!r} is served: an attack trains weights, and nobody here has "
            "any; measure it with --attack none, in a run of its own if others are attacked"
        )
    attacked = replace(variant, attack=PlannedAttack(point, rows, mixed))
    batch, processes = attacked.settings.batch_size, variant.family.launch.processes
    if batch % processes:
        raise UsageError(
            f"attack {point.name}: a batch of {batch} rows cannot be shared by {processes} "
            f"processes; give a multiple: batch={math.ceil(batch / processes) * processes}"
        )
    wanted = min(attacked.attack_rows or rows.count, rows.count)
    strangers = round(point.ratio * wanted) if mixed else 0
    if (point.settings.rows or 0) > rows.count:
        raise UsageError(f"attack {point.name}: there are only {rows.count} rows ({rows.label})")
    if mixed is not None and not 0 < strangers <= mixed.count:
        raise UsageError(
            f"attack {point.name}: {point.ratio:g} of {wanted} rows are {strangers}, and "
            f"{mixed.label} has {mixed.count}; change ratio or rows"
        )
    return attacked


def on_the_way(variant: Variant, every: int | None) -> list[Variant]:
    """The attacked variant after each multiple of ``every`` steps.

    Raises:
        UsageError: the attack is over before the first.
    """
    if every is None or variant.training is None or variant.attack is None:
        return []
    return [
        replace(variant, attack=replace(variant.attack, step=snapshot.step))
        for snapshot in variant.training.snapshots(every)
    ]
