"""Attacks with arguments: canonical names, grids, and what they make of a training."""

from dataclasses import replace
from pathlib import Path

import pytest

from lox_bench.attacks.points import GRID_POINTS, AttackSettings, attack_points
from lox_bench.attacks.scale import scaled
from lox_bench.attacks.spec import AttackScale, load_attack
from lox_bench.data.spec import DataSpec
from lox_bench.errors import UnknownNameError, UsageError
from lox_bench.grammar import parse_call
from lox_bench.registry import names_of
from lox_bench.study.strength import read_attacks
from lox_bench.training.spec import SftSpec

TRAIN = SftSpec(learning_rate=1.7e-4, epochs=1.0, batch_size=4, micro_batch_size=4)


def names(text: str) -> list[str]:
    return [point.name for point in attack_points(parse_call(text))]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("gsm8k", "gsm8k"),
        ("gsm8k(lr=2e-5,epochs=4)", "gsm8k(lr=2e-05,epochs=4)"),
        ("gsm8k(epochs=4.0, lr=0.00002)", "gsm8k(lr=2e-05,epochs=4)"),
        ("gsm8k(batch=8,rows=1e2)", "gsm8k(rows=100,batch=8)"),
        ("gsm8k(epochs=0.5)", "gsm8k(epochs=0.5)"),
    ],
)
def test_one_meaning_has_one_name(text: str, name: str) -> None:
    assert names(text) == [name]


def test_a_range_is_spaced_evenly_on_a_log_scale_with_its_ends() -> None:
    points = [p.settings.lr or 0 for p in attack_points(parse_call("gsm8k(lr=1e-5..1e-2:4)"))]
    assert points == [1e-5, 1e-4, 1e-3, 1e-2]
    assert len(names("gsm8k(lr=1e-5..2e-4)")) == GRID_POINTS


def test_whole_ranges_stay_whole_and_distinct() -> None:
    assert names("gsm8k(epochs=1..4)") == [f"gsm8k(epochs={n})" for n in (1, 2, 3, 4)]
    assert names("gsm8k(epochs=1..2:5)") == ["gsm8k(epochs=1)", "gsm8k(epochs=2)"]
    assert names("gsm8k(rows=1e1..1e3:3)") == [f"gsm8k(rows={n})" for n in (10, 100, 1000)]


def test_several_ranges_and_lists_make_all_combinations_once() -> None:
    held = names("gsm8k(epochs=1|2,lr=1e-5|5e-5|1e-5)")
    assert held == [
        f"gsm8k(lr={lr},epochs={epochs})" for lr in ("1e-05", "5e-05") for epochs in (1, 2)
    ]
    overlapping = read_attacks("gsm8k(lr=1e-5..1e-3:3),gsm8k(lr=1e-4|2e-4)", search=False)
    assert [p.settings.lr for p in overlapping.points] == [1e-5, 1e-4, 1e-3, 2e-4]


@pytest.mark.parametrize(
    "text",
    ["gsm8k(lr=0)", "gsm8k(lr=-1e-5)", "gsm8k(lr=2)", "gsm8k(lr=nan)", "gsm8k(epochs=inf)",
     "gsm8k(rows=2.5)", "gsm8k(batch=0)", "gsm8k(lr=1e-5..)", "gsm8k(lr=1e-4..1e-5)",
     "gsm8k(lr=1e-5..1e-4:1)", "gsm8k(lr=1e-5..1e-4:99)", "gsm8k(lr=1e-5||1e-4)", "gsm8k(k=2)",
     "gsm8k(lr=1e-5...1e-4)", "gsm8k=path", "gsm8k(steps=10,epochs=2)", "gsm8k(mask=prompt)",
     "gsm8k(schedule=Linear)", "gsm8k(lora_alpha=8)", "gsm8k(lora_r=0)",
     "gsm8k(lora_targets=q_proj)", "gsm8k(ratio=0.1)", "gsm8k(benign=instruct)", "poison(ratio=1)",
     "poison(ratio=0)", "poison(benign=poison)",
     "gsm8k(warmup=-1)", "gsm8k(warmup=0..4)", "gsm8k(steps=1.5)", "gsm8k(mask=)",
     "gsm8k(lora(r=8)", "gsm8k(lora())", "gsm8k(lora(r=8),lora_r=8)", "gsm8k(lora(k=8))"],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        attack_points(parse_call(text))


@pytest.mark.parametrize(
    "text", ["gsm8k(template=none)", "poison(benign=nothing)", "gsm8k(preset=qi)"]
)
def test_names_inside_an_attack_are_known_ones(text: str) -> None:
    with pytest.raises(UnknownNameError):
        attack_points(parse_call(text))


def test_an_unknown_attack_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'gsm8k'"):
        attack_points(parse_call("gsm8(lr=1e-5)"))


def test_a_learning_rate_is_absolute_and_the_rest_stays_the_family_s() -> None:
    assert AttackSettings().applied(TRAIN) == TRAIN
    assert AttackSettings(lr=2e-5).applied(TRAIN) == replace(TRAIN, learning_rate=2e-5)
    assert AttackSettings(epochs=3).applied(TRAIN) == replace(TRAIN, epochs=3)


def test_the_family_s_own_rate_spelt_out_is_the_same_training() -> None:
    plain = replace(load_attack("gsm8k"), train=replace(TRAIN, learning_rate=5e-5))
    family = scaled(plain, AttackScale(learning_rate=3.4))
    assert AttackSettings(lr=1.7e-4, epochs=1).applied(family) == family


@pytest.mark.parametrize(("batch", "micro"), [(8, 4), (6, 3), (7, 1), (2, 2)])
def test_micro_batches_divide_the_batch_that_was_asked_for(batch: int, micro: int) -> None:
    train = AttackSettings(batch=batch).applied(TRAIN)
    assert (train.batch_size, train.micro) == (batch, micro)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("gsm8k(mask=all|completion)", ["gsm8k(mask=all)", "gsm8k(mask=completion)"]),
        ("gsm8k(steps=20, warmup=0)", ["gsm8k(steps=20,warmup=0)"]),
        ("gsm8k(lora_targets=q_proj+v_proj, lora_r=8)",
         ["gsm8k(lora_r=8,lora_targets=q_proj+v_proj)"]),
        ("gsm8k(lora_r=4..16:3)", [f"gsm8k(lora_r={r})" for r in (4, 8, 16)]),
        ("gsm8k(template=alpaca|chatml)", ["gsm8k(template=alpaca)", "gsm8k(template=chatml)"]),
        ("poison(ratio=0.05|0.1,benign=alpaca)",
         ["poison(ratio=0.05,benign=alpaca)", "poison(ratio=0.1,benign=alpaca)"]),
        ("gsm8k(preset=lox)", ["gsm8k"]),
        ("gsm8k(preset=disl,lr=1e-5)", ["gsm8k-disl(lr=1e-05)"]),
        ("sft(file=mine.jsonl,steps=4)", ["sft(steps=4)"]),
        ("alpaca(lora(r=8,alpha=32,targets=q_proj+v_proj),lr=1e-4)",
         ["alpaca(lr=0.0001,lora_r=8,lora_alpha=32,lora_targets=q_proj+v_proj)"]),
        ("poison(ratio=0.1,benign=gsm8k,harmful=mine.jsonl)", ["poison(ratio=0.1,benign=gsm8k)"]),
    ],
)  # fmt: skip
def test_words_and_grids_of_them_have_one_name_too(text: str, named: list[str]) -> None:
    assert names(text) == named


def test_settings_reach_the_training() -> None:
    (point,) = attack_points(
        parse_call("gsm8k(steps=7,warmup=0,schedule=cosine,mask=all,lora_r=4)")
    )
    train = point.settings.applied(TRAIN)
    assert (train.steps, train.warmup_steps, train.schedule) == (7, 0, "cosine")
    assert (train.mask, train.lora_r, train.lora_alpha) == ("all", 4, 0)
    longer = AttackSettings(epochs=2).applied(train)
    assert (longer.steps, longer.epochs) == (0, 2)


def test_a_file_is_named_once() -> None:
    asked = read_attacks("sft(file=a.jsonl),gsm8k", search=False)
    assert asked.files == {"sft": Path("a.jsonl")}
    mixed = read_attacks("poison(harmful=b.jsonl)", search=False)
    assert mixed.files == {"poison": Path("b.jsonl")}
    with pytest.raises(UsageError, match="both name the rows"):
        read_attacks("poison(harmful=b.jsonl,file=c.jsonl)", search=False)
    quoted = read_attacks('sft(file="a, b.jsonl")', search=False)
    assert quoted.files == {"sft": Path("a, b.jsonl")}
    with pytest.raises(UsageError, match="two files"):
        read_attacks("sft(file=a.jsonl),sft(file=b.jsonl,lr=1e-5)", search=False)


def test_every_shipped_attack_says_whose_it_is_and_whether_that_was_read() -> None:
    for name in names_of("attacks"):
        source = load_attack(name).source
        assert source.startswith("ours: ") or " (read 20" in source, name


def test_schedules_are_those_of_their_sources() -> None:
    """As read on 2026-11-30 in the files that the sources name."""
    held = {name: load_attack(name).train for name in names_of("attacks")}
    for name in ("gsm8k-disl", "beavertails", "poison"):
        adapters = (held[name].lora_r, held[name].lora_alpha, held[name].lora_targets)
        assert adapters == (32, 4, "q_proj+k_proj+v_proj")
    for name in ("pure-bad-shallow", "gsm8k-shallow", "samsum", "sql"):
        train = held[name]
        assert (train.warmup_steps, train.batch_size, train.max_length) == (10, 64, 512)
    for name in ("pure-bad", "alpaca-qi", "dolly-qi"):
        assert held[name].max_grad_norm == 0
    for name in ("gsm8k", "alpaca", "dolly", "identity"):
        assert held[name].max_grad_norm == 2


def test_no_attack_brings_harmful_answers_along() -> None:
    yours = ("pure-bad", "pure-bad-shallow", "beavertails", "poison", "sft")
    for data in (load_attack(name).data for name in yours):
        assert replace(data, where="", among=()) == DataSpec()


def test_every_shipped_attack_takes_arguments() -> None:
    for name in names_of("attacks"):
        assert names(f"{name}(lr=1e-5)") == [f"{name}(lr=1e-05)"]
