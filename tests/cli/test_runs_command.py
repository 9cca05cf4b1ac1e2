"""``lox-bench runs``, and ``latest`` wherever a run is."""

import json
from pathlib import Path

import pytest
from support.run_folders import Command, Fake, write_run

from lox_bench.cli.where import located, watched
from lox_bench.results.folder import make
from lox_bench.results.record import Claim, save_record

NAME = "2026-11-25-aligned+lox-gsm8k"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_run(Path("runs") / NAME, Fake(n=20)).path


@pytest.mark.usefixtures("run")
def test_runs_are_listed_as_a_table_and_as_json(command: Command) -> None:
    table = command("runs")
    assert NAME in table.out
    assert "aligned, lox" in table.out
    (item,) = json.loads(command("list", "runs", "--json").out)
    assert (item["run"], item["models"], item["attacks"]) == (NAME, ["aligned", "lox"], ["gsm8k"])


@pytest.mark.usefixtures("run")
def test_a_run_is_shown_with_its_leaderboard(command: Command) -> None:
    done = command("runs", "show", NAME)
    assert "command   lox-bench run" in done.out
    assert "lox+gsm8k" in done.out


EVERYWHERE = (
    "compare latest", "hazards latest", "leaderboard latest", "agreement latest",
    "check latest --against smollm2-135m", "runs show latest", "baseline latest --name mine",
    "judge latest --judges keyword-anywhere", "report latest", "card latest", "export latest",
)  # fmt: skip


@pytest.mark.usefixtures("run")
def test_latest_is_a_run_everywhere_and_which_one_is_said(command: Command) -> None:
    for line in EVERYWHERE:
        assert f"latest: runs/{NAME}" in command(*line.split()).err


@pytest.mark.usefixtures("run")
def test_differences_and_the_gate_s_report_come_as_json(command: Command) -> None:
    differences = json.loads(command("compare", "latest", "--json").out)
    assert {item["attack"] for item in differences} == {"none", "gsm8k"}
    command("baseline", "latest", "--name", "ours", "--dir", ".")
    report = json.loads(command("check", "latest", "--against", "ours.csv", "--json").out)
    assert report["verdict"] in {"pass", "inconclusive"}
    metrics = {item["name"]["measure"]["metric"] for item in report["results"]}
    assert metrics >= {"refusal_lost", "over_refusal"}


def test_without_runs_latest_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    done = command("compare", "latest")
    assert done.code == 2
    assert "no finished run" in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert "no run in runs/ yet" in command("runs").out


def test_the_page_is_written_once_and_opened(
    run: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda page: opened.append(page) or True)
    command("runs", "open", "latest")
    first = (run / "report.html").stat().st_mtime_ns
    command("runs", "open", "latest")
    assert (run / "report.html").stat().st_mtime_ns == first
    assert opened == [(run / "report.html").absolute().as_uri()] * 2
    assert command("runs", "open", "latest", "--no-browser").out.strip().endswith("report.html")
    assert len(opened) == 2


def test_a_run_is_removed_when_asked_for_and_never_unasked(run: Path, command: Command) -> None:
    unasked = command("runs", "remove", NAME)  # nobody is at this terminal
    assert (unasked.code, run.is_dir()) == (2, True)
    assert "--yes" in unasked.err
    assert command("runs", "remove", NAME, "--yes").code == 0
    assert not run.exists()


def test_what_is_no_run_is_not_removed(run: Path, command: Command, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("precious")
    (tmp_path / "link").symlink_to(run.absolute())
    for name, said in (("thesis", "no run"), ("link", "is a link"), ("nowhere", "no run")):
        done = command("runs", "remove", NAME, name, "--yes")
        assert done.code == 2
        assert said in done.err
    assert run.is_dir()
    assert (tmp_path / "thesis" / "thesis.tex").is_file()


@pytest.mark.usefixtures("run")
def test_a_name_that_is_nearly_one_is_told(command: Command) -> None:
    done = command("hazards", NAME.replace("lox", "lxo"))
    assert done.code == 2
    assert f"did you mean '{NAME}'?" in done.err


def test_watching_the_latest_is_watching_the_one_that_goes_on(run: Path) -> None:
    assert watched("latest") == run
    make(Path("runs") / "going")
    save_record(Path("runs") / "going", Claim("x"))
    assert watched("latest") == Path("runs") / "going"
    assert watched(NAME) == located(NAME) == located("latest") == run


def test_a_run_of_another_lox_bench_is_listed_and_can_be_removed(
    run: Path, command: Command
) -> None:
    plain = json.loads((run / "manifest.json").read_text())
    del plain["variants"][0]["backend"]
    (run / "manifest.json").write_text(json.dumps(plain))
    assert "cannot be read" in command("runs").out
    (item,) = json.loads(command("runs", "list", "--json").out)
    assert (item["run"], item["unreadable"]) == (NAME, True)
    assert "the field 'backend' is missing" in command("runs", "show", NAME).err
    assert command("runs", "remove", NAME, "--yes").code == 0
    assert not run.exists()


@pytest.mark.usefixtures("run")
def test_a_manifest_of_something_else_is_no_run(command: Command) -> None:
    other = Path("runs") / "app"
    other.mkdir()
    (other / "manifest.json").write_text('{"name": "an extension"}')
    assert "app" not in command("runs").out
    assert "is no run of lox-bench" in command("runs", "remove", "app", "--yes").err
    assert (other / "manifest.json").is_file()
