"""A stage's key: everything that makes it what it is, and nothing else."""

import pickle
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any, ClassVar

import pytest
from support.toys import Toy

from lox_bench.backends.backend import Decoding
from lox_bench.engine.context import Context, Inputs
from lox_bench.engine.stage import Facts, Stage, Text, describe, plain
from lox_bench.pyfile import load_file


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Size(Enum):
    BIG = 1


ROWS = Text("rows")


@dataclass(frozen=True)
class Inner:
    number: float = 1.0
    place: str = field(default="", compare=False)


@dataclass(frozen=True)
class Twin:
    number: float = 1.0


@dataclass(frozen=True, eq=False)
class Full(Stage):
    kind: ClassVar[str] = "full"

    above: Stage
    many: tuple[Stage, ...] = ()
    text: Text = ROWS
    colour: Colour = Colour.RED
    inner: Any = Inner()
    pairs: tuple[tuple[str, int], ...] = (("a", 1),)
    limit: int | None = None
    label: str = field(default="", compare=False)

    def build(self, inputs: Inputs, out: Path, context: Context) -> Facts:
        return {}


FULL = Full(Toy("a"))
CHANGES = [
    {"above": Toy("b")},
    {"above": Toy("a", (Toy("deep"),))},
    {"many": (Toy("a"),)},
    {"many": (Toy("a"), Toy("b"))},
    {"many": (Toy("b"), Toy("a"))},
    {"text": Text("other rows")},
    {"colour": Colour.BLUE},
    {"inner": Inner(2.0)},
    {"inner": Twin()},
    {"inner": None},
    {"pairs": (("a", 2),)},
    {"pairs": (("a", True),)},
    {"limit": 1},
    {"limit": 0},
]


def test_every_field_changes_the_key() -> None:
    keys = {replace(FULL, **change).key for change in CHANGES}
    assert len(keys | {FULL.key}) == len(CHANGES) + 1


def test_what_is_not_compared_changes_nothing() -> None:
    other = replace(FULL, label="shown", inner=Inner(place="/elsewhere"))
    assert (other.key, other) == (FULL.key, FULL)
    assert len({other, FULL}) == 1


def test_kind_and_version_are_part_of_the_key() -> None:
    class Renamed(Full):
        kind = "renamed"

    class Newer(Full):
        version = 2

    assert len({FULL.key, Renamed(Toy("a")).key, Newer(Toy("a")).key}) == 3


def test_a_stage_pickles_and_its_key_survives() -> None:
    _ = FULL.key, FULL.text.sha256
    again = pickle.loads(pickle.dumps(FULL))  # noqa: S301 - our own
    assert again == FULL
    assert again.inputs == FULL.inputs == (Toy("a"),)
    assert "key" not in FULL.__getstate__()  # the code that reads it computes its own


def test_inputs_are_found_wherever_a_field_holds_them() -> None:
    nested = replace(FULL, many=(Toy("b"), Toy("a")), inner=Holder((Toy("c"),)))
    assert nested.inputs == (Toy("a"), Toy("b"), Toy("c"))


@dataclass(frozen=True)
class Holder:
    stages: tuple[Stage, ...]


@pytest.mark.parametrize("value", [Path("/x"), {1, 2}, b"bytes", object(), int, lambda: 1])
def test_what_has_no_stable_description_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="a stage cannot hold"):
        _ = replace(FULL, inner=value).key


def test_enumerations_and_mappings_stand_as_their_values() -> None:
    assert plain({"size": Size.BIG, "colours": [Colour.RED]}) == {"size": 1, "colours": ["red"]}


def test_classes_of_third_parties_enter_with_their_module() -> None:
    assert plain(Decoding(3))["is"] == "Decoding"
    assert plain(Inner())["is"] == f"{__name__}:Inner"
    assert describe(FULL)["is"] == f"{__name__}:Full"


STAGE_FILE = """
from dataclasses import dataclass
from lox_bench.engine.stage import Stage

@dataclass(frozen=True)
class Scale:
    by: float = 1.0

@dataclass(frozen=True, eq=False)
class Mine(Stage):
    kind = "mine"
    def build(self, inputs, out, context):
        return {}
"""


def test_classes_of_a_file_enter_with_its_content(tmp_path: Path) -> None:
    one, other, moved = tmp_path / "one.py", tmp_path / "other.py", tmp_path / "sub.py"
    one.write_text(STAGE_FILE)
    moved.write_text(STAGE_FILE)
    other.write_text(STAGE_FILE + "# changed\n")
    modules = [load_file(file) for file in (one, moved, other)]
    for keys in (
        [replace(FULL, inner=module.Scale()).key for module in modules],
        [module.Mine().key for module in modules],
    ):
        assert keys[0] == keys[1] != keys[2]
