"""Other weights as a family's base or aligned model: by rung, folder or hub id."""

from pathlib import Path
from typing import Any

import pytest

from lox_bench.errors import UnknownNameError
from lox_bench.registry import Kind, entries
from lox_bench.study.family import load_family, on_rungs
from lox_bench.study.request import Request
from lox_bench.study.study import make_study

LADDERS = [family for entry in entries(Kind.FAMILIES) if (family := load_family(entry.full)).rungs]


@pytest.mark.parametrize("family", LADDERS, ids=lambda family: family.name)
def test_a_family_stands_on_rungs_of_its_own_ladder(family: Any) -> None:
    assert family.base in family.rungs.values()
    assert family.align.source in family.rungs.values()
    assert len(set(family.rungs.values())) == len(family.rungs)


def test_a_rung_takes_the_place_of_the_base_and_of_the_aligned_model() -> None:
    ladder = on_rungs(load_family("olmo2-1b"), "sft", "dpo")
    own = load_family("olmo2-1b-dpo")
    assert (ladder.base, ladder.align) == (own.base, own.align)
    assert ladder.name == "olmo2-1b@sft-dpo"
    assert on_rungs(own, "", "") is own


def test_an_unknown_rung_is_named_with_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match=r"rung of olmo2-1b .*sft"):
        on_rungs(load_family("olmo2-1b"), "stf", "")


def test_a_folder_is_the_aligned_model_and_nothing_is_aligned_here(
    pico: Path, pico_aligned: Path
) -> None:
    asked = Request(models="base,aligned", attack="none", base=str(pico), aligned=str(pico_aligned))
    study = make_study(asked)
    assert [variant.model.kind for variant in study.variants] == ["source", "source"]
    assert study.family.name.startswith("smollm2-135m@pico")
