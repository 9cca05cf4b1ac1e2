"""Specs: every packaged one is sound; mistakes are named with what was allowed."""

from dataclasses import replace
from pathlib import Path

import pytest

from lox_bench.attacks.scale import scaled
from lox_bench.attacks.spec import AttackScale, load_attack
from lox_bench.backends.template import load_template
from lox_bench.codec import parse
from lox_bench.data.prompts import load_task
from lox_bench.data.spec import columns_of
from lox_bench.errors import SpecError, UnknownNameError
from lox_bench.judges.choice import load_judge
from lox_bench.registry import names_of
from lox_bench.study.family import FamilySpec, LoxSpec, load_family
from lox_bench.training.spec import SftSpec
from lox_bench.utility.spec import load_utility


@pytest.mark.parametrize("name", names_of("families"))
def test_every_family_names_a_base_a_template_and_one_way_to_align(name: str) -> None:
    family = load_family(name)
    assert family.name == name
    assert (family.align.dpo is None) == bool(family.align.source)
    load_template(family.template)
    assert family.description


@pytest.mark.parametrize("kind", ["attacks", "tasks", "utilities", "judges"])
def test_every_spec_loads_under_its_own_name(kind: str) -> None:
    load = {
        "attacks": load_attack,
        "tasks": load_task,
        "utilities": load_utility,
        "judges": load_judge,
    }[kind]
    names = names_of(kind)
    assert names
    assert [load(name).name for name in names] == names


def test_a_name_that_is_no_file_s_or_a_count_of_nothing_is_refused(tmp_path: Path) -> None:
    text = 'name = "{}"\ndescription = ""\nprompts = "x"\nmetric = "asr"\ncounts = "{}"\n'
    file = tmp_path / "x.toml"
    file.write_text(text.format("a/b", "complied") + "max_new_tokens = 4\n")
    with pytest.raises(SpecError, match="name: a name was wanted"):
        load_task(str(file))
    file.write_text(text.format("ab", "harm") + "max_new_tokens = 4\n")
    with pytest.raises(SpecError, match="counts must be one of complied, refused, not 'harm'"):
        load_task(str(file))


def test_an_unknown_name_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'smollm2-135m'"):
        load_family("smollm2-135")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"k": 6, "alpha": 1.0, "rank": 2}, "unknown key 'rank'; allowed: k, alpha"),
        ({"k": 6}, "missing key 'alpha'"),
        ({"k": "six", "alpha": 1.0}, "a whole number was wanted"),
        ({"k": True, "alpha": 1.0}, "a whole number was wanted"),
    ],
)
def test_a_broken_spec_says_what_is_wrong(raw: dict[str, object], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        parse(LoxSpec, raw, where="here")


def test_a_table_in_the_wrong_place_is_refused() -> None:
    raw = {"name": "n", "description": "d", "base": "b", "align": "x", "lox": {"k": 1, "alpha": 1}}
    with pytest.raises(SpecError, match="align: a table was wanted"):
        parse(FamilySpec, raw, where="here")


def test_whole_numbers_are_taken_for_floats() -> None:
    assert parse(LoxSpec, {"k": 6, "alpha": 1}, where="here").alpha == 1.0


def test_a_family_scales_an_attack_and_leaves_the_rest() -> None:
    train = SftSpec(learning_rate=5e-5, epochs=2, batch_size=40, micro_batch_size=20)
    attack = replace(load_attack("gsm8k"), train=train)
    small = scaled(attack, AttackScale(learning_rate=4.0, epochs=1, batch_size=8))
    assert small.learning_rate == pytest.approx(2e-4)
    assert (small.epochs, small.batch_size, small.micro_batch_size) == (1, 8, 20)
    assert scaled(attack, AttackScale()) == train


def test_an_attack_of_fewer_rows_than_the_family_takes_keeps_its_epochs() -> None:
    identity = load_attack("identity")
    assert scaled(identity, AttackScale(epochs=1, max_rows=160)).epochs == 10
    assert scaled(identity, AttackScale(epochs=1, max_rows=5)).epochs == 1


def test_format_columns_are_found() -> None:
    assert columns_of("{question} and {answer}") == ["question", "answer"]
