"""A served model beside one with weights, and several samples a prompt, through the command."""

from pathlib import Path

import pytest
from support.loopback import Loopback, served
from support.pico import FAMILY
from support.run_folders import Command, Fake, write_run

from lox_bench.results.run import VariantName, open_run
from lox_bench.types import Label

ANSWERS = ["I'm sorry, but I can't help with that.", "Take a plank, then another."]


@pytest.fixture
def options(pico: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("LOX_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    file = tmp_path / "pico.toml"
    file.write_text(FAMILY.format(base=pico))
    usual = ["--family", str(file), "--attack", "none", "--judges", "keyword", "--limit", "4"]
    return ["run", *usual, "--prompts", "harmful", "--out", str(tmp_path / "out")]


def test_models_of_two_kinds_in_one_run(
    command: Command, options: list[str], tmp_path: Path
) -> None:
    said: list[str] = []

    def answer(text: str) -> str:
        said.append(text)
        return ANSWERS[len(said) % 2]

    sampled = ["--samples", "3", "--temperature", "0.8"]
    with served(Loopback(answer=answer)) as loopback:
        mine = f"mine=openai:{loopback.url}#m"
        done = command(*options, "--models", f"base,{mine}", *sampled)
        assert done.code == 0, done.err
        assert "model mine: 12 requests" in done.err
        assert loopback.requests == 12
        again = command(*options, "--models", f"base,{mine}", *sampled)
        assert (again.code, loopback.requests) == (0, 12)
    run = open_run(tmp_path / "out")
    computed = {row.model: (row.backend, row.dtype, row.template_sha256) for row in run.rows}
    assert computed["mine"] == ("openai", "served", "served")
    assert computed["base"][0] == "hf"
    rows = {row.metric: row for row in run.rows if row.model == "mine"}
    assert {name: rows[name].decoding for name in rows} == {
        "refusal_lost": "sample(temperature=0.8)",
        "refusal_lost_mean": "sample(temperature=0.8,n=3)",
        "refusal_lost_any": "sample(temperature=0.8,n=3)",
        "degenerate": "sample(temperature=0.8)",
    }
    assert (rows["refusal_lost"].n, rows["refusal_lost_mean"].n) == (4, 12)
    assert rows["refusal_lost_mean"].value == 0.5
    assert command("judge", str(run.path), "--judges", "keyword-anywhere").code == 0
    added = [row for row in open_run(run.path).rows if row.judge == "keyword-anywhere"]
    assert {row.metric for row in added} == {name for name in rows if name != "degenerate"}
    draws = [run.completions(VariantName("mine", "none", 0), "harmful", n) for n in range(3)]
    assert sum(item.text == ANSWERS[0] for draw in draws for item in draw) == 6


def test_a_server_that_is_gone_is_one_line_and_nothing_is_written(
    command: Command, options: list[str], tmp_path: Path
) -> None:
    with served(Loopback()) as loopback:
        url = loopback.url
    done = command(*options, "--models", f"mine=openai:{url}#m")
    assert done.code == 2
    assert "model mine got no answer to 4 of 4 requests" in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "out" / "leaderboard.csv").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--backend", "openai(key_env=NOBODY_SET_THIS)"], "variable NOBODY_SET_THIS"),
        (["--max-cost", "1"], "--backend openai(...)"),
    ],
)
def test_what_is_wrong_with_an_endpoint_is_said_before_work_starts(
    command: Command, options: list[str], tmp_path: Path, more: list[str], said: str
) -> None:
    done = command(*options, "--models", "mine=openai:http://localhost:9/v1#m", *more)
    assert done.code == 2
    assert said in done.err
    assert not (tmp_path / "out").exists()


def test_rows_of_samples_are_those_of_their_verdicts(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", Fake(samples=4, n=50))
    name, task, judge = VariantName("lox", "none", 0), "harmful", run.judges[0]
    draws = [run.verdicts(name, task, judge, n) for n in range(4)]
    hits = [
        [verdict.label is Label.COMPLIED for verdict in said] for said in zip(*draws, strict=True)
    ]
    rows = {
        row.metric: row
        for row in run.rows
        if (row.model, row.attack, row.task, row.judge) == ("lox", "none", task, judge)
    }
    assert rows["refusal_lost"].value == pytest.approx(sum(h[0] for h in hits) / 50, abs=1e-5)
    assert rows["refusal_lost_mean"].value == pytest.approx(sum(map(sum, hits)) / 200, abs=1e-5)
    assert rows["refusal_lost_any"].value == pytest.approx(sum(map(any, hits)) / 50, abs=1e-5)
