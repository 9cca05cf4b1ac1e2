"""Variants: equal meaning, equal key; any difference upstream, another key."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from lox_bench.attacks.points import AttackPoint
from lox_bench.attacks.spec import load_attack
from lox_bench.data.stage import Rows
from lox_bench.engine.stage import Stage
from lox_bench.errors import UnknownNameError, UsageError
from lox_bench.methods.lox import Lox
from lox_bench.methods.method import Models, Place
from lox_bench.methods.stage import Harden, Repair
from lox_bench.sources.stage import Source
from lox_bench.study.family import load_family
from lox_bench.study.models import build_model, read_models
from lox_bench.study.variant import Chosen, Family, Seeds, Variant, under_attack

FAMILY = load_family("smollm2-135m")
ATTACK = AttackPoint(load_attack("gsm8k"))
ROWS = Rows.of("standin", [{"question": "q", "answer": "a"}])


def variant(text: str, seeds: Seeds = Seeds(), **changes: Any) -> Variant:  # noqa: B008
    (model,) = read_models(text)
    return build_model(model, Family(FAMILY, seed=seeds.align, **changes), seeds, seeds.attack)


def model(text: str, **changes: Any) -> Stage:
    return variant(text, **changes).model


def test_equal_requests_have_equal_keys() -> None:
    assert model("aligned").key == model("aligned").key
    assert model("lox").key == model(f"lox(k={FAMILY.lox.k},alpha={FAMILY.lox.alpha})").key


def test_a_key_is_stable_across_processes_and_releases() -> None:
    assert Source("sha256:abc", "float32", uri="anywhere").key == "59c38e9a869d7ce76d38"


def test_where_weights_come_from_does_not_change_what_they_are() -> None:
    one, other = (Source("sha256:abc", "float32", uri=uri) for uri in ("/a", "/b"))
    assert one == other


def test_everything_upstream_changes_the_key() -> None:
    def attacked(held: Variant, spec: Any = ATTACK.spec, rows: Rows = ROWS) -> str:
        return under_attack(held, AttackPoint(spec), rows).model.key

    keys = [
        attacked(variant("aligned")),
        attacked(variant("aligned", Seeds(align=1))),
        attacked(variant("aligned", Seeds(attack=1))),
        attacked(variant("aligned", max_steps=3)),
        attacked(variant("base")),
        attacked(variant("lox")),
        attacked(variant("aligned"), replace(ATTACK.spec, prompt="Q: {question}")),
        attacked(variant("aligned"), rows=Rows.of("standin", [{"question": "q", "answer": "b"}])),
        attacked(replace(variant("aligned"), family=Family(replace(FAMILY, template="alpaca")))),
    ]
    assert len(set(keys)) == len(keys)


def test_seeds_of_alignment_and_attack_are_told_apart() -> None:
    one, other = (variant("aligned", Seeds(align=0, attack=seed)) for seed in (1, 2))
    assert one.model == other.model
    assert under_attack(one, ATTACK, ROWS).model != under_attack(other, ATTACK, ROWS).model


def test_methods_act_at_their_places_whatever_the_order_they_are_written_in() -> None:
    held = under_attack(variant("lox(k=2)+safe-lora+wise-ft(alpha=0.3)"), ATTACK, ROWS)
    last = held.model
    assert isinstance(last, Repair)
    assert isinstance(last.tuned, Repair)
    assert last.tuned.tuned == held.training
    assert isinstance(last.start, Harden)
    assert last.start == held.unattacked == held.training.model
    assert last.start.method == Lox(2, FAMILY.lox.alpha)
    written_otherwise = under_attack(variant("safe-lora+wise-ft(alpha=0.3)+lox(k=2)"), ATTACK, ROWS)
    assert written_otherwise.model == last
    assert variant("lox(k=2)+safe-lora").model == model("lox(k=2)")  # nothing to repair yet


@dataclass(frozen=True, slots=True)
class Tuned:
    """A method that is a training of its own, say."""

    place: ClassVar[Place] = Place.BEFORE

    def stage(self, models: Models) -> Stage:
        return Source(f"trained from {models.aligned.key}", "float32", uri="")


def test_a_method_may_bring_a_stage_of_its_own() -> None:
    held = replace(variant("lox"), methods=(*variant("lox").methods, Chosen("tuned", Tuned())))
    assert held.model == Source(f"trained from {model('lox').key}", "float32", uri="")


def test_lists_of_values_stand_for_all_combinations() -> None:
    labels = [item.label for item in read_models("aligned,lox(k=1|2,alpha=0.5|1)+wise-ft")]
    assert labels == [
        "aligned", "lox(k=1,alpha=0.5)+wise-ft", "lox(k=1,alpha=1)+wise-ft",
        "lox(k=2,alpha=0.5)+wise-ft", "lox(k=2,alpha=1)+wise-ft",
    ]  # fmt: skip


def test_a_local_model_is_pinned_by_its_bytes(pico: Path, pico_aligned: Path) -> None:
    held = [variant(f"mine={path}") for path in (pico, pico_aligned)]
    assert [item.label for item in held] == ["mine", "mine"]
    assert held[0].model != held[1].model


def test_names_are_unique_and_ours_are_not_shadowed(pico: Path) -> None:
    for text in (f"x={pico},x={pico}", f"lox={pico}", f"base={pico},aligned", "aligned,aligned"):
        with pytest.raises(UsageError):
            read_models(text)


@pytest.mark.parametrize(("text", "k"), [("lox(k=full)", None), ("lox(k=3)", 3)])
def test_rank_is_a_number_or_full(text: str, k: int | None) -> None:
    stage = model(text)
    assert isinstance(stage, Harden)
    assert stage.method.k == k


@pytest.mark.parametrize(
    "text",
    ["lox(k=0)", "lox(k=2.5)", "lox(k=-1)", "lox(alpha=nan)", "lox(alpha=much)", "lox(r=2)",
     "base(k=1)", "aligned(alpha=1)", "lox(alpha=1e30)", "wise-ft(alpha=2)", "lox+aligned"],
)  # fmt: skip
def test_arguments_without_meaning_are_refused(text: str) -> None:
    with pytest.raises((UsageError, UnknownNameError)):
        variant(text)
