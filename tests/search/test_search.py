"""--attack-search: the space, the study in the run's folder, and resuming it."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lox_bench.attacks.points import AttackPoint
from lox_bench.attacks.spec import load_attack
from lox_bench.errors import MissingExtraError, UsageError
from lox_bench.registry import names_of
from lox_bench.search.tuner import Outcome, Search, Space
from lox_bench.study.strength import read_attacks, require_optuna
from lox_bench.training.spec import SftSpec

pytest.importorskip("optuna", reason="pip install 'lox-bench[search]'")
TRAIN = SftSpec(learning_rate=1.7e-4, epochs=1.0, batch_size=4, micro_batch_size=4)


class Killed(BaseException):
    """What a signal would do in the middle of a trial."""


def space(attack: str = "gsm8k") -> Space:
    return Space.of(read_attacks(attack, search=True).searched[0], TRAIN)


def search(file: Path, trials: int = 8, *, seed: int = 0, attack: str = "gsm8k") -> Search:
    return Search(file, "aligned+gsm8k@seed0", space(attack), trials, seed, slack=5.0)


def answer(point: AttackPoint) -> Outcome:
    """Safety is lost most at 3e-4; accuracy falls beyond 5e-4."""
    lr = point.settings.lr or 0.0
    return Outcome(1 - abs(lr - 3e-4) / 1e-3, 0.5 if lr < 5e-4 else 0.1, {"n": 40})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, silent: Any) -> tuple[Path, list[AttackPoint]]:
    """A study of 16 trials that nobody interrupted."""
    file = tmp_path_factory.mktemp("search") / "study.db"
    return file, search(file, 16).run(answer, silent)


Whole = tuple[Path, list[AttackPoint]]


def test_a_search_starts_at_the_family_s_own_settings_and_stays_in_its_space(whole: Whole) -> None:
    points = whole[1]
    assert points[0].name == "gsm8k(lr=0.00017,epochs=1)"
    assert len(points) == 16
    for point in points:
        assert 0.2 * 1.7e-4 <= (point.settings.lr or 0) <= 5 * 1.7e-4
        assert point.settings.epochs in {1, 2, 3, 4}


def test_a_search_learns_where_the_worst_lies(whole: Whole) -> None:
    scores = [answer(point).success for point in whole[1]]
    assert max(scores) > 0.9
    assert sum(scores[8:]) > sum(scores[:8])


def test_a_trial_that_lost_too_much_accuracy_is_marked_infeasible(whole: Whole) -> None:
    query = "select value_json from trial_system_attributes where key like 'constraints%'"
    with closing(sqlite3.connect(whole[0])) as base:
        held = [float(value) for (value,) in base.execute(query)]
    lost = [(point.settings.lr or 0) >= 5e-4 for point in whole[1]]
    assert [value > 0 for value in held] == lost
    assert any(lost)


@pytest.mark.parametrize("moment", [0, 6])
def test_a_killed_search_goes_on_with_the_trials_it_would_have_made(
    moment: int, whole: Whole, tmp_path: Path, silent: Any
) -> None:
    tried: list[str] = []

    def dies(point: AttackPoint) -> Outcome:
        if len(tried) == moment:
            raise Killed
        tried.append(point.name)
        return answer(point)

    with pytest.raises(Killed):
        search(tmp_path / "killed.db").run(dies, silent)
    again: list[str] = []

    def counts(point: AttackPoint) -> Outcome:
        again.append(point.name)
        return answer(point)

    points = search(tmp_path / "killed.db").run(counts, silent)
    assert points == whole[1][:8]  # a longer search begins with the shorter one
    assert len(again) == 8 - moment  # finished trials are not made twice
    assert search(tmp_path / "killed.db").run(dies, silent) == points


def test_another_seed_looks_elsewhere(whole: Whole, tmp_path: Path, silent: Any) -> None:
    points = search(tmp_path / "other.db", 2, seed=1).run(answer, silent)
    assert points[0] == whole[1][0]
    assert points[1] != whole[1][1]


@pytest.mark.parametrize(
    ("attack", "spans", "fixed"),
    [
        ("gsm8k", {"lr": (3.4e-5, 8.5e-4), "epochs": (1, 4)}, ""),
        ("gsm8k(lr=1e-5..1e-3)", {"lr": (1e-5, 1e-3), "epochs": (1, 4)}, ""),
        ("gsm8k(epochs=2,rows=100)", {"lr": (3.4e-5, 8.5e-4)}, "epochs=2,rows=100"),
    ],
)
def test_ranges_set_the_space_and_numbers_stay_fixed(
    attack: str, spans: dict[str, tuple[float, float]], fixed: str
) -> None:
    held = space(attack)
    assert {n: pytest.approx((s.low, s.high)) for n, s in held.spans.items()} == spans
    assert str(held.attack.fixed) == fixed


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        ("gsm8k(lr=1e-5|1e-4)", "fixed"),
        ("gsm8k(lr=1e-5..1e-4:3)", "range to look in"),
        ("gsm8k(rows=10..20:3)", "range to look in"),
        ("gsm8k(rows=10..20|40)", "values to choose from"),
        ("gsm8k(lr=1e-5,epochs=2)", "nothing to search"),
        ("gsm8k,gsm8k(epochs=2)", "listed twice"),
    ],
)
def test_what_a_search_cannot_mean_is_refused(attack: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_attacks(attack, search=True)


WIDE = (
    "poison(ratio=0.02..0.2,lora(r=4..32),batch=5|10|20,schedule=constant|cosine,"
    "template=alpaca|chatml,benign=gsm8k|alpaca,warmup=1..10,mask=all|completion,file=x.jsonl)"
)


def test_every_argument_may_be_searched_by_range_or_by_list(tmp_path: Path, silent: Any) -> None:
    train = replace(TRAIN, lora_r=32, lora_alpha=4, schedule="constant")
    held = Space.of(read_attacks(WIDE, search=True).searched[0], train)
    assert {*held.spans} == {"lr", "epochs", "ratio", "lora_r", "warmup"}
    assert {*held.lists} == {"batch", "schedule", "template", "benign", "mask"}
    start = {"lr": 1.7e-4, "epochs": 1.0, "ratio": 0.1, "lora_r": 32, "schedule": "constant",
             "template": "alpaca", "benign": "gsm8k", "mask": "completion"}  # fmt: skip
    assert held.start == start  # batch 4 and no warm-up lie outside, so that these are drawn
    points = Search(tmp_path / "wide.db", "x", held, 12, 0, slack=5.0).run(answer, silent)
    settings = [point.settings for point in points]
    assert settings[0].ratio == 0.1
    assert {item.schedule for item in settings} == {"constant", "cosine"}
    assert {item.batch for item in settings} == {5, 10, 20}
    assert len({item.ratio for item in settings}) > 5
    for item in settings:
        assert 0.02 <= (item.ratio or 0) <= 0.2
        assert isinstance(item.lora_r, int)
        assert 4 <= item.lora_r <= 32
        assert f"ratio={item.ratio:g}" in str(item)
    assert len({point.name for point in points}) == 12


def test_steps_take_the_place_of_epochs_in_a_search_too() -> None:
    assert {*space("gsm8k(steps=16..512)").spans} == {"lr", "steps"}
    assert {*space("gsm8k(lr=1e-4,epochs=2,lora_r=8|16)").lists} == {"lora_r"}


def test_the_ends_of_what_is_searched_are_tried_before_work_starts() -> None:
    asked = read_attacks(WIDE, search=True)
    corners = [point.settings for point in asked.corners]
    assert {item.ratio for item in corners} == {0.02, 0.2}
    assert {item.benign for item in corners} == {"gsm8k", "alpaca"}
    assert not read_attacks("gsm8k", search=True).corners


def test_a_plain_search_is_described_as_it_was_before_there_were_more_arguments() -> None:
    asked = read_attacks("gsm8k(lr=1e-5..1e-3)", search=True)
    strength = asked.strength(4, 5.0)
    assert strength is not None
    (described,) = strength.described()["searched"]
    assert {*described} == {"spec", "fixed", "lr", "epochs", "space"}


@pytest.fixture
def no_optuna(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lox_bench.study.strength.find_spec", lambda _: None)


@pytest.mark.usefixtures("no_optuna")
def test_without_the_extra_the_command_that_installs_it_is_named() -> None:
    with pytest.raises(MissingExtraError, match=r"pip install 'lox-bench\[search\]'"):
        require_optuna("--attack-search", 3)


def test_the_shipped_space_holds_the_attack_s_own_settings() -> None:
    for name in names_of("attacks"):
        own = load_attack(name).search
        assert own.lr_low <= 1 <= own.lr_high
        assert own.epochs_low <= own.epochs_high
