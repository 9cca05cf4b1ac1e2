"""What a method is: a frozen dataclass whose fields are its arguments, and where it acts.

    @dataclass(frozen=True, slots=True)
    class WiseFt:
        \"\"\"Average the attacked model with the one that was attacked (arXiv 2109.01903).\"\"\"

        place: ClassVar = Place.AFTER
        alpha: Annotated[float, Range(0, 1)] = 0.5

        def tensor(self, name: str, w: Weights) -> Tensor: ...

The dataclass is parser, help text, key and label at once. Of the five forms below a method has
the one that fits; ``before`` and ``after`` methods work on weights, ``during`` ones on a training,
or on the chat templates of training and answers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from lox_bench.engine.stage import Stage
from lox_bench.types import Progress

if TYPE_CHECKING:
    from torch import Tensor

    from lox_bench.attacks.job import SftJob
    from lox_bench.backends.template import Template
    from lox_bench.methods.realign import Lessons


class Place(StrEnum):
    """When a method acts, seen from the attack."""

    BEFORE = "before"
    DURING = "during"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class NoneIs:
    """How ``None`` is written on the command line (``none`` without this)."""

    word: str


@dataclass(frozen=True, slots=True)
class Between:
    """Where ``--defence-search`` looks for an argument's value; both ends are tried.

    ``log``: evenly in the logarithm, for what is meant by its size; ``low`` then is above 0.
    """

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True, slots=True)
class Weights:
    """One tensor, of every model at hand; all of one shape and type.

    ``base``: before alignment. ``aligned``: the family's aligned model, for a ``before`` method the
    model to be hardened. ``start``: the model that was attacked (aligned, after all ``before``
    methods). ``tuned``: after the attack and the ``after`` methods so far. Before the attack
    ``start`` and ``tuned`` are ``aligned``.
    """

    base: "Tensor"
    aligned: "Tensor"
    start: "Tensor"
    tuned: "Tensor"


@dataclass(frozen=True, slots=True)
class Folders:
    """The same four models as checkpoints on disk."""

    base: Path
    aligned: Path
    start: Path
    tuned: Path


class Method(Protocol):
    """Any method.

    One that adds ``family_defaults: ClassVar[str]`` takes the values of the family's table of that
    name (``lox``) in the place of its own defaults. A field ``seed: int | None = None`` is given
    the study's method seed. One that adds ``search: ClassVar[Mapping[str, Between]]``, of numbers
    among its arguments, is what ``--defence-search`` tunes where the user gives no range.
    """

    place: ClassVar[Place]


class TensorMethod(Method, Protocol):
    """A method that sees one tensor at a time; streamed, so that any size of model will do."""

    def tensor(self, name: str, w: Weights) -> "Tensor":
        """The tensor to be written, in shape and type of ``w.tuned``; itself where unchanged."""


class CheckpointMethod(Method, Protocol):
    """A method that writes a whole checkpoint itself."""

    def checkpoint(self, models: Folders, out: Path, progress: Progress) -> Mapping[str, Any]:
        """Fill the empty folder ``out`` with a model in hub layout; facts for its record."""


class Need(StrEnum):
    """What a method needs of the family's alignment, as ``SftJob.taught``."""

    REFUSALS = "refusals"  # harmful requests, and texts that refuse one
    ANSWERS = "answers"  # besides, benign requests with answers


class TrainingMethod(Method, Protocol):
    """A method that changes the attacker's training: its rows, its loss, what may move.

    One that adds ``needs: ClassVar[Need]`` is given what the family's alignment teaches.
    """

    def prepare(self, job: "SftJob") -> "SftJob":
        """The training to be run instead of ``job``."""


class TemplateMethod(Method, Protocol):
    """A ``during`` method that is a matter of chat templates: of the training, and of answers.

    Answers of the model before the attack are asked for under the same template as after it.
    """

    def trained(self, template: "Template") -> "Template":
        """The template of the training in place of ``template``."""

    def served(self, template: "Template") -> "Template":
        """The template under which answers are asked for in place of the family's."""


@dataclass(frozen=True, slots=True)
class Models:
    """The four models of ``Weights`` as stages, for a method that has a stage of its own.

    ``lessons`` are what one that trains before the attack needs to know of the family.
    """

    base: Stage
    aligned: Stage
    start: Stage
    tuned: Stage
    lessons: "Lessons | None" = None


class StageMethod(Method, Protocol):
    """A ``before`` or ``after`` method that is neither: a training, say.

    A ``before`` method that adds ``needs: ClassVar[Need]`` is given ``lessons``.
    """

    def stage(self, models: Models) -> Stage:
        """The stage that makes the model; it writes a folder in hub layout."""
