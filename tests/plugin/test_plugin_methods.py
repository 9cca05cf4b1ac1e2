"""A third party's methods keep to what is expected of one."""

from dataclasses import dataclass

import pytest

from lox_bench.registry import Kind, load_code
from lox_bench.testing import check_method


@dataclass(frozen=True)
class Job:
    """What a training method may count on."""

    rows: tuple[tuple[str, str], ...]
    seed: int = 0


@pytest.mark.usefixtures("plugin")
def test_each_conforms() -> None:
    check_method(load_code(Kind.METHODS, "scale-step"), "by=2")
    check_method(load_code(Kind.METHODS, "scale-step"), "by=1")
    check_method(load_code(Kind.METHODS, "halfway"))
    refusals = load_code(Kind.METHODS, "refusals")
    check_method(refusals, "count=2", job=Job((("a", "b"),)))
    assert len(refusals(2).prepare(Job((("a", "b"),))).rows) == 3
