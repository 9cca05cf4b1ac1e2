"""A run in the forms that others read: lm-eval's results, and a model card."""

import json
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard
from support.run_folders import Command, Fake, write_run

from lox_bench.results.run import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_run(tmp_path_factory.mktemp("runs") / "run", Fake(n=40, seeds=(0, 1)))


def test_every_number_is_in_lm_eval_s_form_and_place(
    run: Run, tmp_path: Path, command: Command
) -> None:
    done = command("export", str(run.path), "--out", str(tmp_path / "out"))
    assert done.code == 0
    files = list((tmp_path / "out").glob("*/results_*.json"))
    assert len(files) == len(run.names)
    held = {}
    for file in files:
        plain = json.loads(file.read_text())
        assert {"results", "versions", "n-shot", "higher_is_better", "n-samples", "config", "date"
                } <= set(plain)  # fmt: skip
        held[plain["model_name"], plain["config"]["random_seed"]] = plain
    for row in run.rows:
        title = row.model if row.attack == "none" else f"{row.model}+{row.attack}"
        plain = held[title, row.seed]
        assert plain["results"][row.task][f"{row.metric},{row.judge}"] == pytest.approx(
            row.value, abs=1e-6
        )
    assert plain["higher_is_better"]["harmful"]["refusal_lost"] is False
    assert plain["higher_is_better"]["gsm8k-standin"]["accuracy"] is True
    again = command("export", str(run.path), "--out", str(tmp_path / "out"))
    assert again.code == 2
    assert "nothing was overwritten" in again.err


def test_a_card_has_every_number_with_n_and_interval(run: Run, command: Command) -> None:
    text = command("card", str(run.path)).out
    lines = [line for line in text.splitlines() if line.startswith("| lox")]
    assert len(lines) == len({(r.attack, r.task, r.judge, r.metric) for r in run.rows
                              if r.model == "lox"})  # fmt: skip
    assert all("n=40 x 2 seeds" in line for line in lines)
    assert "Refusals are no proof of safety" in text


def test_the_hub_reads_a_card_s_metadata(run: Run, tmp_path: Path, command: Command) -> None:
    file = tmp_path / "README.md"
    assert command("card", str(run.path), "--model", "lox", "--out", str(file)).code == 0
    results = ModelCard.load(file).data.eval_results
    assert len(results) == len({(r.attack, r.task, r.judge, r.metric) for r in run.rows
                                if r.model == "lox"})  # fmt: skip
    (lost,) = [r for r in results if r.metric_type == "refusal_lost"
               and r.dataset_config == "after gsm8k"]  # fmt: skip
    rows = [
        r for r in run.rows if (r.model, r.attack, r.metric) == ("lox", "gsm8k", "refusal_lost")
    ]
    assert lost.metric_value == pytest.approx(sum(r.value for r in rows) / 2, abs=1e-5)
    assert yaml.safe_load(file.read_text().split("---")[1])["model-index"][0]["name"] == "lox"
    assert "nothing was overwritten" in command("card", str(run.path), "--out", str(file)).err


def test_a_model_that_is_not_there_is_said(run: Run, command: Command) -> None:
    done = command("card", str(run.path), "--model", "lx")
    assert done.code == 2
    assert "did you mean 'lox'" in done.err
