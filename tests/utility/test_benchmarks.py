"""Tasks of lm-eval by name: the numbers are those of lm-eval's own command line."""

import json
import math
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from support.command import LOX_BENCH
from support.pico import CHATML, FAMILY
from support.tasks import task_files

from lox_bench.errors import DataError, UnknownNameError, UsageError
from lox_bench.sources.loading import load_model, load_tokenizer
from lox_bench.stats.intervals import ratio_interval
from lox_bench.utility.benchmark import read_benchmarks
from lox_bench.utility.library import documents, evaluate_benchmark
from lox_bench.utility.perplexity import corpus_rate, perplexity_task


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    return task_files(tmp_path)


def by_lm_eval(model: Path, task: str, folder: Path, *more: str) -> dict[str, Any]:
    """What its own command line prints."""
    out = folder / f"out-{task}"
    command = [
        sys.executable, "-m", "lm_eval", "run", "--model", "hf", "--device", "cpu",
        "--model_args", f"pretrained={model},dtype=float32", "--tasks", task,
        "--include_path", str(folder), "--output_path", str(out), *more,
    ]  # fmt: skip
    ended = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    (file,) = out.rglob("results_*.json")
    found: dict[str, Any] = json.loads(file.read_text())["results"][task]
    return found


@pytest.mark.parametrize(
    ("item", "metrics", "more"),
    [
        ("choices.yaml", ("acc", "acc_norm"), ()),
        pytest.param(
            "words.yaml(num_fewshot=2)", ("exact_match",), ("--num_fewshot", "2"),
            marks=pytest.mark.slow,
        ),
    ],
)  # fmt: skip
@pytest.mark.slow
def test_the_numbers_are_lm_evals_own(
    pico: Path, tasks: Path, item: str, metrics: tuple[str, ...], more: tuple[str, ...]
) -> None:
    (spec,) = read_benchmarks(str(tasks / item))
    held = documents(spec)
    found = held.metrics
    assert (held.count, found, len(held.sha256)) == (12, metrics, 64)
    samples = evaluate_benchmark(
        spec, pico, CHATML if spec.chat else None, by=torch.float32, limit=None, metrics=found
    )
    own = by_lm_eval(pico, spec.task, tasks, *more)
    for metric in metrics:
        mean = sum(sample.values[metric] for sample in samples) / len(samples)
        assert mean == pytest.approx(own[f"{metric},none"], abs=1e-12)
    assert [sample.document for sample in samples] == [str(i) for i in range(12)]


def test_other_documents_have_another_hash(tasks: Path) -> None:
    (spec,) = read_benchmarks(str(tasks / "choices.yaml"))
    before = documents(spec).sha256
    data = tasks / "rows.jsonl"
    data.write_text(data.read_text().replace("plus", "and"))
    assert documents(spec).sha256 != before


@pytest.mark.parametrize(
    ("old", "new"),
    [("Answer:", "So:"), ("- metric: acc_norm", "- metric: brier_score"), ("[.]", "[!]")],
)
def test_a_task_file_that_asks_or_scores_otherwise_has_another_hash(
    tasks: Path, old: str, new: str
) -> None:
    file = tasks / "choices.yaml"
    (tasks / "marks.py").write_text(
        "def marks(row):\n    return [x + '[.]' for x in row['choices']]\n"
    )
    file.write_text(file.read_text().replace('"{{choices}}"', "!function marks.marks"))
    (spec,) = read_benchmarks(str(file))
    before = documents(spec)
    changed = tasks / "marks.py" if old == "[.]" else file
    assert old in changed.read_text()
    changed.write_text(changed.read_text().replace(old, new))
    assert documents(spec).sha256 != before.sha256
    assert before.versions == {"mine-choices": "Yaml"}


@pytest.mark.slow
def test_a_run_reports_them_beside_the_rest_and_compares_them(
    pico: Path, tasks: Path, tmp_path: Path
) -> None:
    (tmp_path / "pico.toml").write_text(FAMILY.format(base=pico))
    out = tmp_path / "out"
    command = [
        *LOX_BENCH, "run", "--family", str(tmp_path / "pico.toml"), "--models", "base", "--attack",
        "gsm8k", "--judges", "keyword", "--limit", "4", "--max-steps", "2", "--out", str(out),
        "--utility", f"{tasks / 'choices.yaml'}",
    ]  # fmt: skip
    environment = os.environ | {"LOX_BENCH_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    lines = (out / "leaderboard.csv").read_text().splitlines()
    head = lines[0].split(",")
    rows = [dict(zip(head, line.split(","), strict=False)) for line in lines[1:]]
    held = [row for row in rows if row["judge"] == "lm-eval"]
    assert [(row["attack"], row["metric"], row["n"]) for row in held] == [
        ("none", "acc", "4"), ("none", "acc_norm", "4"),
        ("gsm8k", "acc", "4"), ("gsm8k", "acc_norm", "4"),
    ]  # fmt: skip
    compared = subprocess.run(
        [*LOX_BENCH, "compare", str(out), "--metric", "acc", "--format", "csv"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert compared.returncode == 0, compared.stderr
    assert "mine-choices" in compared.stdout


@pytest.mark.slow
def test_perplexity_is_lm_eval_s_own_and_its_interval_holds_it(pico: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("One text of mine.\n\nAnd another one,\non two lines.\n")
    for asked, count in (("perplexity", 40), (f"perplexity(file={tmp_path / 'mine.txt'})", 2)):
        (spec,) = read_benchmarks(asked)
        held = documents(spec)
        metrics = held.metrics
        assert (held.count, metrics) == (
            count,
            ("word_perplexity", "byte_perplexity", "bits_per_byte"),
        )
        samples = evaluate_benchmark(spec, pico, None, by=torch.float32, limit=4, metrics=metrics)
        plain = simple_evaluate(
            model=HFLM(pretrained=load_model(pico, torch.float32), tokenizer=load_tokenizer(pico)),
            tasks=[perplexity_task(spec)],
            limit=4,
            bootstrap_iters=0,
        )["results"]["perplexity"]
        for metric in metrics:
            rate = corpus_rate(metric, [sample.weighted[metric] for sample in samples])
            assert rate.value == pytest.approx(plain[f"{metric},none"], rel=1e-5)
            assert rate.low < rate.value < rate.high
            assert rate.n == min(4, count)
            assert rate.hits is None
    assert spec.title == "perplexity-mine"


def test_a_ratio_s_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng, held, truth = random.Random(0), 0, 2.0
    for _ in range(400):
        sizes = [rng.uniform(20, 80) for _ in range(40)]
        totals = [size * truth + rng.gauss(0, 10) for size in sizes]
        _, low, high = ratio_interval(totals, sizes)
        held += low <= truth <= high
    assert 0.92 < held / 400 < 0.98
    assert all(math.isnan(bound) for bound in ratio_interval([1.0], [2.0])[1:])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("perplexity(num_fewshot=2)", "perplexity takes file=FILE and nothing else"),
        ("perplexity(file=a b.txt)", "cannot name a row"),
        ("arc_easy(shots=3)", "unknown argument 'shots'"),
        ("arc_easy(num_fewshot=-1)", "num_fewshot wants a whole number"),
        ("arc_easy(chat=maybe)", "chat wants yes or no"),
        ("arc_easy,arc_easy(chat=no)", "listed twice"),
        ("no/such.yaml", "cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_benchmarks(text)


@pytest.mark.slow
def test_a_task_that_is_none_and_one_without_a_mean_are_named(tasks: Path) -> None:
    with pytest.raises(UnknownNameError, match="arc_easy"):
        documents(read_benchmarks("arc_eazy")[0])
    (spec,) = read_benchmarks(str(tasks / "bleu.yaml"))
    with pytest.raises(UsageError, match="none of its metrics is a mean"):
        documents(spec)


@pytest.mark.parametrize(("task", "extra"), [("ifeval", "ifeval"), ("arc_easy", "tasks")])
@pytest.mark.slow
def test_code_that_is_not_installed_is_one_line_with_the_command(
    monkeypatch: pytest.MonkeyPatch, task: str, extra: str
) -> None:
    def missing(*_: Any) -> None:
        raise ModuleNotFoundError("No module named 'langdetect'", name="langdetect")

    monkeypatch.setattr("lox_bench.utility.library.TaskManager.load", missing)
    said = rf"{task}: its code wants langdetect, .* pip install 'lm-eval\[{extra}\]'"
    with pytest.raises(UsageError, match=said):
        documents(read_benchmarks(task)[0])


@pytest.mark.slow
def test_data_out_of_reach_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=r"arc_easy: its data set is out of reach"):
        documents(read_benchmarks("arc_easy")[0])
