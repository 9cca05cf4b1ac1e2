"""Grids, searches and snapshots on a pico family: what is trained, chosen, kept and reported."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.pico import FAMILY, NoProgress, save_pico

from lox_bench.attacks.stage import Snapshot
from lox_bench.engine.artifact import read_manifest
from lox_bench.engine.local import LocalExecutor
from lox_bench.engine.store import Store
from lox_bench.errors import UsageError
from lox_bench.report.output import RunFolder
from lox_bench.results.run import open_run
from lox_bench.search.forecast import forecast
from lox_bench.search.play import Played, found_variants, play
from lox_bench.search.worst_case import Choice
from lox_bench.stats.worst import Measured
from lox_bench.study.measure import measure
from lox_bench.study.request import Request
from lox_bench.study.study import Study, make_study


class Killed(BaseException):
    """What a signal would do."""


class Stages:
    """A display that remembers the stages that were built, and may die at one of them."""

    def __init__(self, dies_at: str = "") -> None:
        self.built: list[str] = []
        self._dies_at = dies_at

    @contextmanager
    def stage(self, title: str) -> Iterator[NoProgress]:
        if self._dies_at and self._dies_at in title:
            raise Killed
        self.built.append(title)
        yield NoProgress()

    def count(self, start: str) -> int:
        return sum(title.startswith(start) for title in self.built)


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Path:
    """Attacks without a utility task cost a second a variant less; one test measures accuracy."""
    folder = tmp_path_factory.mktemp("family")
    save_pico(folder / "base", tokenizer)
    aligned = save_pico(folder / "aligned", tokenizer, seed=1)
    text = FAMILY.format(base=folder / "base").split("[align.dpo]")[0]
    text = text.replace("max_rows = 12", "max_rows = 12\nepochs = 1.0")
    (folder / "pico.toml").write_text(f'{text}\n[align]\nsource = "{aligned}"\n')
    return folder / "pico.toml"


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lox_bench.data.rows._from_hub", lambda *_: None)


def plan_of(family: Path, attack: str, *, models: str = "aligned", **more: Any) -> Study:
    return make_study(
        Request(
            judges="keyword-prefix",
            models=models,
            attack=attack,
            family=str(family),
            limit=2,
            **more,
        )
    )


def without_accuracy(study: Study) -> Study:
    attacks = tuple(replace(spec, utility="") for spec in study.attacks)
    return replace(study, utilities=(), attacks=attacks)


def played_by(study: Study, store: Store, stages: Stages, folder: Path) -> Played:
    return play(study, lambda part: measure(part, LocalExecutor(store, stages)), stages, folder)


def run(
    study: Study, store: Store, out: Path, stages: Stages | None = None, *, plots: bool = False
) -> Played:
    """What the command does; most tests save the seconds that plots take."""
    with RunFolder.claimed(out, study) as folder:
        played = played_by(study, store, stages or Stages(), folder.path)
        folder.write(played.study, played.results, ["test"], played.findings, plots=plots)
    return played


def test_arguments_change_no_key_of_the_plain_attack(family: Path) -> None:
    plain = plan_of(family, "gsm8k")
    grid = plan_of(family, "gsm8k,gsm8k(lr=1e-3|1e-2)", eval_every=1)
    assert plain.variants == tuple(
        variant for variant in grid.variants if variant.name.attack in {"none", "gsm8k"}
    )
    assert grid.key != plain.key
    assert plan_of(family, "gsm8k", accuracy_slack=9.0).key == plain.key
    assert (
        plan_of(family, "gsm8k(lr=1e-3|1e-2)").key
        != plan_of(family, "gsm8k(lr=1e-3|1e-2)", accuracy_slack=9.0).key
    )


@pytest.mark.slow
def test_snapshots_leave_the_end_alone_and_are_gone_once_measured(
    family: Path, tmp_path: Path
) -> None:
    plain = without_accuracy(plan_of(family, "gsm8k"))
    watched = without_accuracy(plan_of(family, "gsm8k", eval_every=1))
    one, other = Store(tmp_path / "one"), Store(tmp_path / "other")
    run(plain, one, tmp_path / "plain")
    stages = Stages()
    played = run(watched, other, tmp_path / "watched", stages, plots=True)
    assert stages.count("attack") == 1
    ends = [store.find(plain.variants[1].model) for store in (one, other)]
    files = [(end.path / "model.safetensors").read_bytes() for end in ends if end]
    assert files[0] == files[1]
    assert not list(other.root.glob("snapshot/*/*.safetensors"))
    assert [variant.attack for variant in open_run(tmp_path / "watched").names] == [
        "none", "gsm8k", "gsm8k@1", "gsm8k@2"
    ]  # fmt: skip
    losses = [result.training["loss_after"] for result in played.results[1:]]
    assert losses[0] < losses[2] < losses[1]  # the end, then step 2, then step 1
    assert (tmp_path / "watched" / "plots" / "safety_vs_steps.png").stat().st_size > 5000

    again = Stages()
    run(watched, other, tmp_path / "watched", again)
    assert again.built == []

    late = Stages()  # the attack is stored already: it is trained again, to the same snapshots
    run(watched, one, tmp_path / "late", late)
    assert late.count("attack aligned again") == 1
    assert not list(one.root.glob("snapshot/*/*.safetensors"))
    assert not list(one.root.glob("tmp/*"))
    answers = "completions/aligned+gsm8k@2@seed0.harmful.jsonl"
    assert (tmp_path / "late" / answers).read_text() == (tmp_path / "watched" / answers).read_text()
    assert (tmp_path / "late" / "leaderboard.csv").read_text() == (
        tmp_path / "watched" / "leaderboard.csv"
    ).read_text()


def test_a_run_killed_between_snapshots_continues_with_those_it_has(
    family: Path, tmp_path: Path
) -> None:
    study = without_accuracy(plan_of(family, "gsm8k", eval_every=1))
    store = Store(tmp_path / "store")
    with pytest.raises(Killed):
        played_by(study, store, Stages(dies_at="generate aligned+gsm8k@2"), tmp_path)
    assert (
        len(list(store.root.glob("snapshot/*/*.safetensors"))) == 1
    )  # step 1 was measured and dropped
    stages = Stages()
    played_by(study, store, stages, tmp_path)
    assert stages.count("attack") == 0
    assert stages.count("generate aligned+gsm8k@2") == 2
    assert not list(store.root.glob("snapshot/*/*.safetensors"))


def test_snapshot_steps_are_the_trainer_s(family: Path, tmp_path: Path) -> None:
    study = without_accuracy(plan_of(family, "gsm8k(epochs=1.5,rows=11,batch=8)", eval_every=1))
    steps = [
        variant.tuned.step for variant in study.variants if isinstance(variant.tuned, Snapshot)
    ]
    played = played_by(study, Store(tmp_path), Stages(), tmp_path)
    assert played.results[1].training["steps"] == len(steps) + 1
    with pytest.raises(UsageError, match="takes only 3 steps"):
        plan_of(family, "gsm8k", eval_every=3)


@pytest.mark.slow
def test_a_grid_is_chosen_on_dev_prompts_and_reported_on_the_run_s_own(
    family: Path, tmp_path: Path
) -> None:
    study = plan_of(family, "gsm8k,gsm8k(lr=1e-3..1e-2:2)")
    store, stages = Store(tmp_path / "store"), Stages()
    ahead = forecast(study, store)
    assert (ahead.trainings, ahead.stored, ahead.seconds) == (3, 0, None)
    run(study, store, tmp_path / "out", stages, plots=True)
    assert stages.count("attack") == 3
    with (tmp_path / "out" / "worst_case.csv").open() as file:
        cases = list(csv.DictReader(file))
    rows = open_run(tmp_path / "out").rows
    assert [case["model"] for case in cases] == ["aligned"]
    for case in cases:
        row = next(r for r in rows if r.metric == "refusal_lost"
                   and (r.model, r.attack) == (case["model"], case["point"]))  # fmt: skip
        assert float(case["asr"]) == pytest.approx(row.value, nan_ok=True)
        assert (case["chosen_on"], case["points"], case["confidence"]) == ("dev", "3", "0.95")
        assert float(case["accuracy"]) >= float(case["best_accuracy"]) - 0.05
    choice = tmp_path / "out" / "attack_choice.csv"
    dev, shown = csv_hashes(choice), csv_hashes(tmp_path / "out" / "leaderboard.csv")
    assert not dev & shown
    assert (tmp_path / "out" / "plots" / "strength-gsm8k.png").stat().st_size > 5000

    wider = plan_of(family, "gsm8k(lr=1e-3|1e-2|1e-4)")
    ahead = forecast(wider, store)
    assert (ahead.trainings, ahead.stored, ahead.basis) == (3, 2, 3)
    assert ahead.seconds is not None
    assert ahead.seconds > 0


def csv_hashes(file: Path) -> set[str]:
    with file.open() as stream:
        return {r["data_sha256"] for r in csv.DictReader(stream) if r["metric"] == "refusal_lost"}


def test_a_run_on_dev_prompts_says_that_it_chose_on_what_it_shows(
    family: Path, tmp_path: Path
) -> None:
    twice = "gsm8k(lr=1e-3|1e-2),gsm8k(lr=1e-3,epochs=1)"  # the family's epochs, spelt out
    study = without_accuracy(plan_of(family, twice, split="dev"))
    played = played_by(study, Store(tmp_path), Stages(), tmp_path)
    assert played.findings is not None
    (case,) = played.findings.worst
    assert (case.chosen_on, case.counted, case.confidence) == ("same", 2, 0.975)


def test_a_point_found_for_one_model_is_tried_on_the_control_too(family: Path) -> None:
    grid = plan_of(family, "gsm8k(lr=1e-3|1e-2)", models="aligned,lox")
    study = plan_of(family, "gsm8k", models="aligned,lox")
    lox = next(c for c in grid.variants if (c.label, c.name.attack) == ("lox", "gsm8k(lr=0.01)"))
    picked = Measured(lox.name.attack, 1, 2, None)
    choice = Choice("lox", "gsm8k", 0, "harmful", "any", picked, None, 2, 2)
    found = found_variants(study, grid, [choice])
    assert [variant.title for variant in found] == ["lox+gsm8k(lr=0.01)", "aligned+gsm8k(lr=0.01)"]
    assert found[1] in grid.variants


@pytest.mark.slow
def test_a_killed_search_continues_to_the_very_same_run(family: Path, tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="pip install 'lox-bench[search]'")
    study = without_accuracy(plan_of(family, "gsm8k(epochs=1)", attack_search=3))
    whole = run(study, Store(tmp_path / "one"), tmp_path / "whole")
    tried = [variant.name.attack for variant in whole.findings.variants] if whole.findings else []
    assert tried[0] == "gsm8k(epochs=1)"
    last = tried[-1].split("lr=")[1].split(",")[0]

    store, stages = Store(tmp_path / "two"), Stages()
    with pytest.raises(Killed):
        run(study, store, tmp_path / "killed", Stages(dies_at=f"(gsm8k, lr {float(last):.3g}"))
    assert len(list(store.root.glob("attack/*"))) == 2
    run(study, store, tmp_path / "killed", stages)
    assert stages.count("attack") == 1
    for name in ("leaderboard.csv", "worst_case.csv", "attack_choice.csv"):
        assert (tmp_path / "killed" / name).read_text() == (tmp_path / "whole" / name).read_text()
    assert (tmp_path / "killed" / "attack-search.db").is_file()
    variant = open_run(tmp_path / "killed").record.variants[-1]
    held = read_manifest(store.root / "attack" / variant.model_key)
    assert held is not None
    assert held.facts["steps"] == 3


def test_the_trials_of_a_search_are_foreseen(family: Path, tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="pip install 'lox-bench[search]'")
    store = Store(tmp_path / "store")
    searched = plan_of(family, "gsm8k", attack_search=3)
    ahead = forecast(searched, store)
    assert (ahead.trainings, ahead.stored, ahead.at_most, ahead.seconds) == (4, 0, True, None)
    run(without_accuracy(plan_of(family, "gsm8k")), store, tmp_path / "out")
    ahead = forecast(searched, store)
    assert (ahead.trainings, ahead.stored, ahead.basis) == (4, 1, 1)
    assert ahead.seconds is not None
    assert ahead.seconds > 0
