"""What a ``before`` method that trains is told of the family."""

from typing import TYPE_CHECKING, Any, Final

from lox_bench.methods.realign import Lessons
from lox_bench.study.during import references

if TYPE_CHECKING:
    from lox_bench.study.variant import Family

_LEARNING_RATE: Final = 2e-5  # of SFT at 7B, where the family's alignment says none


def lessons(family: "Family", method: Any) -> Lessons | None:
    """For a method that says what it ``needs`` of the alignment; ``None`` for any other."""
    if not hasattr(method, "stage") or not hasattr(method, "needs"):
        return None
    _, _, taught = references(family, (method,))
    dpo = family.spec.align.dpo
    scaled = _LEARNING_RATE * family.spec.attack_scale.learning_rate
    return Lessons(
        taught=taught,
        template=family.template,
        learning_rate=scaled if dpo is None else dpo.train.learning_rate,
        seed=family.seed,
        max_steps=family.max_steps,
        dtype=family.spec.dtype,
    )
