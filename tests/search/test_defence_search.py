"""--defence-search on a pico family: what is tried, chosen, measured; killed and gone on with."""

import csv
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.pico import FAMILY, NoProgress, save_pico

from lox_bench.engine.local import KeepWeights, LocalExecutor
from lox_bench.engine.store import Store
from lox_bench.errors import UsageError
from lox_bench.report.output import RunFolder
from lox_bench.results.run import open_run
from lox_bench.search.defence import carry_out
from lox_bench.search.defence_forecast import defence_forecasts
from lox_bench.search.play import Played
from lox_bench.study.measure import measure
from lox_bench.study.request import Request
from lox_bench.study.study import Study, make_study

pytest.importorskip("optuna", reason="pip install 'lox-bench[search]'")

JUDGE = '''
from dataclasses import dataclass
from typing import ClassVar

from lox_bench.types import Label, Verdict


@dataclass(frozen=True, slots=True)
class Odd:
    """Random weights write random texts: those of odd length refuse."""

    name: ClassVar[str] = "odd"
    description: ClassVar[str] = "an answer of odd length refuses"
    counts: ClassVar[tuple[str, ...]] = ("complied", "refused")
    reads: ClassVar[str] = "refusal"

    def judge(self, completions, progress):
        labels = (Label.COMPLIED, Label.REFUSED)
        return [
            Verdict(answer.prompt_id, self.name, labels[len(answer.text) % 2], "")
            for answer in completions
        ]
'''


class Killed(BaseException):
    """What a signal would do."""


class Stages:
    """A display that remembers the stages that were built, and may die at one of them."""

    def __init__(self, dies_at: str = "") -> None:
        self.built: list[str] = []
        self._dies_at = dies_at

    @contextmanager
    def stage(self, title: str) -> Any:
        if self._dies_at and self._dies_at in title:
            raise Killed
        self.built.append(title)
        yield NoProgress()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Path:
    folder = tmp_path_factory.mktemp("family")
    save_pico(folder / "base", tokenizer)
    aligned = save_pico(folder / "aligned", tokenizer, seed=1)
    text = FAMILY.format(base=folder / "base").split("[align.dpo]")[0]
    text = text.replace("max_new_tokens = 40", "max_new_tokens = 6")
    (folder / "pico.toml").write_text(f'{text}\n[align]\nsource = "{aligned}"\n')
    (folder / "odd.py").write_text(JUDGE)
    return folder


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lox_bench.data.rows._from_hub", lambda *_: None)


def study_of(
    place: Path, models: str = "aligned,wise-ft", *, accuracy: bool = False, **more: Any
) -> Study:
    wanted = {"defence_search": 2, "max_over_refusal": 100.0, "max_accuracy_loss": 100.0, **more}
    request = Request(
        models=models,
        family=str(place / "pico.toml"),
        judges=f"{place / 'odd.py'}:Odd",
        limit=2,
        max_steps=1,
        **wanted,
    )
    study = make_study(request)
    attacks = tuple(replace(spec, utility="") for spec in study.attacks)
    return study if accuracy else replace(study, utilities=(), attacks=attacks)  # seconds saved


def run(study: Study, store: Store, out: Path, stages: Stages | None = None) -> Played:
    display = stages or Stages()
    with RunFolder.claimed(out, study) as folder:
        executor = LocalExecutor(store, display)
        played = carry_out(study, lambda part: measure(part, executor), display, folder.path)
        folder.write(played.study, played.results, ["test"], played.findings, plots=False)
    return played


def lines(file: Path) -> list[dict[str, str]]:
    with file.open() as stream:
        return list(csv.DictReader(stream))


@pytest.mark.slow
def test_a_search_tries_chooses_on_dev_and_reports_on_held_out_prompts(
    place: Path, tmp_path: Path
) -> None:
    study, store, stages = study_of(place), Store(tmp_path / "store"), Stages()
    (ahead,) = defence_forecasts(study, store, KeepWeights.DEAR)
    assert (ahead.trials, ahead.seconds) == (2, None)
    assert (ahead.stages["repair"], ahead.stages["answers"]) == (1, 2)
    out = tmp_path / "out"
    played = run(study, store, out, stages)
    assert "defence search wise-ft: 2 trials" in stages.built
    assert sum(title.startswith("attack") for title in stages.built) == 1  # repairs share it
    (decision,) = played.decisions
    points = [item.label for item in decision.candidates]
    assert points[0] == "wise-ft"  # the family's own values, which are also the first trial
    assert len(points) == 2
    rows = lines(out / "defence_search.csv")
    assert [row["point"] for row in rows[::2]] == points
    assert {(row["attack"], row["n"]) for row in rows} == {("none", "2"), ("gsm8k", "2")}
    assert decision.chosen is not None
    assert decision.chosen.standing.worst == min(i.standing.worst for i in decision.candidates)
    shown = {(row.model, row.attack) for row in open_run(out).rows}
    models = {"aligned", "wise-ft", decision.chosen.label}
    assert shown == {(model, attack) for model in models for attack in ("none", "gsm8k")}
    asked = {row.data_sha256 for row in open_run(out).rows if row.metric == "refusal_lost"}
    assert len(asked) == 1  # dev prompts are nowhere in the leaderboard
    assert open_run(out).record.defence is not None

    (ahead,) = defence_forecasts(study, store, KeepWeights.DEAR)
    assert ahead.seconds is not None
    assert ahead.nbytes is not None
    again, board = Stages(), (out / "leaderboard.csv").read_text()
    run(study, store, out, again)
    assert again.built == ["defence search wise-ft: 2 trials"]  # nothing is made twice
    assert (out / "leaderboard.csv").read_text() == board


@pytest.mark.slow
def test_a_killed_search_goes_on_to_the_very_same_run(place: Path, tmp_path: Path) -> None:
    study = study_of(place, "aligned,lox(k=1..8)", defence_search=3)
    whole = Stages()
    played = run(study, Store(tmp_path / "store"), tmp_path / "whole", whole)
    last = played.decisions[0].candidates[-1].label
    store, killed = Store(tmp_path / "other"), tmp_path / "killed"
    with pytest.raises(Killed):
        run(study, store, killed, Stages(dies_at=f"generate {last}+gsm8k"))
    again = Stages()
    run(study, store, killed, again)
    assert len(again.built) < len(whole.built)  # it went on where it was
    for name in ("leaderboard.csv", "defence_search.csv"):
        assert (killed / name).read_text() == (tmp_path / "whole" / name).read_text()


@pytest.mark.slow
def test_guards_that_nothing_keeps_choose_nothing(place: Path, tmp_path: Path) -> None:
    study = study_of(place, max_over_refusal=0.0)
    played = run(study, Store(tmp_path / "store"), tmp_path / "out")
    (decision,) = played.decisions
    kept = [item for item in decision.candidates if item.rise <= 0]
    assert (decision.chosen is None) == (not kept)
    if decision.chosen is None:
        assert {row.model for row in open_run(tmp_path / "out").rows} == {"aligned", "wise-ft"}


@pytest.mark.slow
def test_the_attack_is_searched_against_every_point(place: Path, tmp_path: Path) -> None:
    study = study_of(
        place, "aligned,wise-ft", attack="gsm8k(epochs=1)", attack_search=2, defence_search=2
    )
    played = run(study, Store(tmp_path / "store"), tmp_path / "out")
    rows = lines(tmp_path / "out" / "defence_search.csv")
    tried = {row["point"]: row["attack_points"] for row in rows if row["attack"] == "gsm8k"}
    assert all(point.startswith("gsm8k(") for point in tried.values())
    assert (tmp_path / "out" / "attack-search.db").is_file()
    assert (tmp_path / "out" / "defence-search.db").is_file()
    assert played.findings is not None
    wanted = {"aligned", "wise-ft", played.decisions[0].chosen.label}  # type: ignore[union-attr]
    assert {case.model for case in played.findings.worst} == wanted


@pytest.mark.slow
def test_seeds_share_one_point(place: Path, tmp_path: Path) -> None:
    study = study_of(place, seeds=((0, 0), (0, 1)), accuracy=True)
    played = run(study, Store(tmp_path / "store"), tmp_path / "out")
    rows = lines(tmp_path / "out" / "defence_search.csv")
    assert {(row["n"], row["seeds"]) for row in rows if row["attack"] == "gsm8k"} == {("4", "2")}
    assert {row["loss_n"] for row in rows if row["attack"] == "gsm8k"} == {"2"}
    models = {(row.model, row.seed) for row in open_run(tmp_path / "out").rows}
    labels = {"aligned", "wise-ft", played.decisions[0].chosen.label}  # type: ignore[union-attr]
    assert models == {(label, seed) for label in labels for seed in (0, 1)}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"attack": "none"}, "needs an attack"),
        ({"split": "dev"}, "reports on held-out"),
        ({"prompts": "harmful"}, "a prompt set of look-alikes"),
    ],
)
def test_a_search_that_could_not_be_judged_is_refused(
    more: dict[str, Any], said: str, place: Path
) -> None:
    with pytest.raises(UsageError, match=said):
        study_of(place, **more)


def test_the_search_is_part_of_the_study_s_key_and_changes_no_other(place: Path) -> None:
    plain = study_of(place, "aligned,lox", defence_search=None)
    tuned = study_of(place, "aligned,lox")
    assert plain.variants == tuned.variants
    assert plain.key != tuned.key
    assert tuned.key != study_of(place, "aligned,lox", max_over_refusal=5.0).key
    assert (
        plain.key == study_of(place, "aligned,lox", defence_search=None, max_over_refusal=5.0).key
    )
