"""One fine-tuning before it starts: what a ``during`` method may change."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lox_bench.attacks.course import Extension
from lox_bench.attacks.taught import Taught
from lox_bench.backends.template import Template
from lox_bench.training.spec import SftSpec

if TYPE_CHECKING:
    from lox_bench.attacks.terms import Term

# (model, inputs without labels, labels (batch, length), labelled tokens of the optimiser step)
Loss = Callable[[Any, dict[str, Any], Any, Any], Any]


@dataclass(frozen=True, slots=True)
class SftJob:
    """A supervised fine-tuning: ``rows`` are (user message, completion) pairs.

    ``source`` is the folder of the model to be trained, ``base`` and ``aligned`` those of its
    family, for methods that compare. ``held_out`` are rows nobody trains on, whose loss is measured
    before and after. ``loss`` replaces the mean cross-entropy over completion tokens, ``frozen``
    says by name which parameters do not move, ``callbacks`` are transformers' ``TrainerCallback``
    objects. ``objective`` replaces the loss as well, ``terms`` are added to it, whichever it is:
    see ``attacks/terms.py``. ``extensions`` take part in the training itself: see
    ``attacks/course.py``. ``taught`` is what the family's alignment teaches, for methods that say
    what they ``need`` of it. ``seed`` is the attack's.
    """

    source: Path
    base: Path
    aligned: Path
    rows: tuple[tuple[str, str], ...]
    train: SftSpec
    template: Template
    seed: int
    held_out: tuple[tuple[str, str], ...] = ()
    loss: Loss | None = None
    frozen: Callable[[str], bool] | None = None
    callbacks: tuple[Any, ...] = ()
    extensions: tuple[Extension, ...] = ()
    objective: "Term | None" = None
    terms: "tuple[Term, ...]" = ()
    taught: Taught | None = None
