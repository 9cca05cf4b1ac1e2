"""What a small family makes of an attack for 7B models."""

from dataclasses import replace

from lox_bench.attacks.spec import AttackScale, AttackSpec
from lox_bench.training.spec import SftSpec


def scaled(spec: AttackSpec, scale: AttackScale) -> SftSpec:
    """An attack's training settings at a family's scale.

    A family's epochs go with its rows: an attack made of fewer rows keeps its own.
    """
    train = spec.train
    small = 0 < spec.max_rows <= scale.max_rows
    return replace(
        train,
        learning_rate=train.learning_rate * scale.learning_rate,
        epochs=train.epochs if small else scale.epochs or train.epochs,
        batch_size=scale.batch_size or train.batch_size,
        micro_batch_size=scale.micro_batch_size or train.micro_batch_size,
        warmup_steps=train.warmup_steps if scale.warmup_steps < 0 else scale.warmup_steps,
    )
