"""The conformance kit: our methods pass it, and each way to break one is named."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from lox_bench.errors import LoxBenchError, UsageError
from lox_bench.methods.method import Folders, Place, Weights
from lox_bench.registry import Kind, entries, load_code
from lox_bench.testing import check_method
from lox_bench.types import Progress

ARGUMENTS = {"truncated": ["r=2"], "lox": ["", "k=2", "k=full"], "random-k": ["", "k=2,seed=3"],
             "safe-lora": ["", "tau=1", "layers=2", "form=reference,tau=1", "rank=1,tau=1"],
             "wise-ft": ["", "alpha=0", "alpha=1"], "resta": ["", "dare=0.5", "gamma=0,dare=1"],
             "safemerge": ["", "tau=1,w=1", "form=paper,tau=1"], "relox": ["", "k=2", "k=full"],
             "ties": ["", "trim=tensor,lambda=0.5", "density=1"],
             "constrained": ["", "beta=0.5,form=reference"], "ewc": ["", "lambda=2,rows=8"],
             "asft": ["", "form=projector,rank=2", "lambda=3,form=reference"],
             "vaccine": ["", "rho=1,lr=1e-5,start=base"]}  # fmt: skip
OURS = [
    (entry.name, arguments)
    for entry in entries(Kind.METHODS)
    for arguments in ARGUMENTS.get(entry.name, [""])
]


@pytest.mark.parametrize(("name", "arguments"), OURS)
def test_our_methods_conform(name: str, arguments: str) -> None:
    check_method(load_code(Kind.METHODS, name), arguments)


@dataclass(frozen=True)
class Sound:
    """Keep everything."""

    place: ClassVar[Place] = Place.AFTER
    step: float = 1.0

    def tensor(self, name: str, w: Weights) -> Tensor:
        return w.tuned


def test_a_sound_method_conforms() -> None:
    check_method(Sound)


@dataclass
class Thawed:
    """Not frozen."""

    place: ClassVar[Place] = Place.AFTER

    def tensor(self, name: str, w: Weights) -> Tensor:
        return w.tuned


@dataclass(frozen=True)
class Nowhere(Sound):
    """No place."""

    place: ClassVar[Any] = "sometime"


@dataclass(frozen=True)
class Undocumented(Sound):
    pass


@dataclass(frozen=True)
class Formless:
    """Does nothing."""

    place: ClassVar[Place] = Place.AFTER


@dataclass(frozen=True)
class TwoForms(Sound):
    """Does two things."""

    def checkpoint(self, models: Folders, out: Path, progress: Progress) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class WrongPlace(Sound):
    """Works on weights while there is a training."""

    place: ClassVar[Place] = Place.DURING


@dataclass(frozen=True)
class OddArgument(Sound):
    """Takes a list."""

    parts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Forgetful(Sound):
    """Is never equal to itself as read again."""

    step: float = field(default=1.0, compare=False)
    made: int = 0

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return 1


@dataclass(frozen=True)
class Random(Sound):
    """Rolls dice."""

    def tensor(self, name: str, w: Weights) -> Tensor:
        return torch.randn(w.tuned.shape).to(w.tuned.dtype)


@dataclass(frozen=True)
class Widens(Sound):
    """Returns float64."""

    def tensor(self, name: str, w: Weights) -> Tensor:
        return w.tuned.double()


@dataclass(frozen=True)
class Reshapes(Sound):
    """Returns another shape."""

    def tensor(self, name: str, w: Weights) -> Tensor:
        return w.tuned.reshape(-1)[:1]


@dataclass(frozen=True)
class InPlace(Sound):
    """Writes into what it was given."""

    def tensor(self, name: str, w: Weights) -> Tensor:
        return w.tuned.mul_(0.5)


@dataclass(frozen=True)
class Shrinks(Sound):
    """Moves also where there is no difference."""

    def tensor(self, name: str, w: Weights) -> Tensor:
        return w.tuned * 0.5


@dataclass(frozen=True)
class WritesNothing:
    """Forgets its checkpoint."""

    place: ClassVar[Place] = Place.BEFORE

    def checkpoint(self, models: Folders, out: Path, progress: Progress) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class OddFacts:
    """Tells what no JSON can."""

    place: ClassVar[Place] = Place.BEFORE

    def checkpoint(self, models: Folders, out: Path, progress: Progress) -> dict[str, Any]:
        return {"tensor": torch.ones(1)}


@pytest.mark.parametrize(
    ("cls", "said"),
    [
        (Thawed, "no frozen dataclass"),
        (int, "no frozen dataclass"),
        (Nowhere, "no Place"),
        (Undocumented, "no docstring"),
        (Formless, "one is wanted"),
        (TwoForms, "one is wanted"),
        (WrongPlace, "acts during the attack"),
        (OddArgument, r"OddArgument\.parts"),
        (Forgetful, "come back"),
        (Random, "two runs"),
        (Widens, "float64"),
        (Reshapes, r"Reshapes made"),
        (InPlace, "wrote into"),
        (Shrinks, "all models are equal"),
        (WritesNothing, "wrote no"),
        (OddFacts, "no plain data"),
    ],
)
def test_a_broken_method_is_told_what_is_wrong(cls: type, said: str) -> None:
    with pytest.raises((AssertionError, LoxBenchError), match=said):
        check_method(cls)


def test_what_moves_everything_may_say_so() -> None:
    check_method(Shrinks, moves_on_zero=True)


def test_arguments_that_are_not_the_method_s_are_refused() -> None:
    with pytest.raises(UsageError, match="it takes step"):
        check_method(Sound, "tau=1")


@dataclass(frozen=True)
class Job:
    rows: tuple[tuple[str, str], ...]
    seed: int = 0


@dataclass(frozen=True)
class Appends:
    """Adds a refusal."""

    place: ClassVar[Place] = Place.DURING

    def prepare(self, job: Any) -> Any:
        return replace(job, rows=(*job.rows, ("Do harm.", "No.")))


@dataclass(frozen=True)
class Loses:
    """Returns rows alone."""

    place: ClassVar[Place] = Place.DURING

    def prepare(self, job: Any) -> Any:
        return job.rows


def test_a_training_method_is_tried_on_a_job() -> None:
    job = Job((("a", "b"),))
    check_method(Appends, job=job)
    check_method(Loses)  # its form alone is right
    with pytest.raises(AssertionError, match="made a tuple"):
        check_method(Loses, job=job)
