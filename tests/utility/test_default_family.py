"""On the default family's base: ``--utility`` gives the numbers of lm-eval's own command line."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.command import LOX_BENCH

from lox_bench.cli.progress import SilentDisplay
from lox_bench.engine.graph import Graph
from lox_bench.engine.local import LocalExecutor
from lox_bench.engine.store import Store, default_root
from lox_bench.registry import packaged_file
from lox_bench.sources.stage import Source
from lox_bench.study.family import load_family

LIMIT = 24
GENERATED = """
task: problems-generated
dataset_path: json
dataset_kwargs: {{data_files: {{test: {test}, train: {train}}}}}
test_split: test
fewshot_split: train
output_type: generate_until
doc_to_text: "Question: {{{{question}}}}\\nAnswer:"
doc_to_target: "{{{{answer}}}}"
fewshot_config: {{sampler: first_n}}
generation_kwargs: {{do_sample: false, max_gen_toks: 64, until: ["Question:"]}}
filter_list:
  - name: strict-match
    filter:
      - {{function: regex, regex_pattern: "#### (-?[0-9.,]+)"}}
      - {{function: take_first}}
  - name: flexible-extract
    filter:
      - {{function: regex, group_select: -1, regex_pattern: "(-?[0-9.,]{{1,}})"}}
      - {{function: take_first}}
metric_list:
  - {{metric: exact_match, regexes_to_ignore: ["(?s).*#### "]}}
metadata: {{version: 1.0}}
"""
CHOSEN = """
task: problems-chosen
dataset_path: json
dataset_kwargs: {{data_files: {{test: {test}}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "Question: {{{{question}}}}\\nAnswer: The answer is"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: right
metric_list: [{{metric: acc}}, {{metric: acc_norm}}]
metadata: {{version: 1.0}}
"""


def tasks(folder: Path) -> dict[str, Path]:
    """The project's word problems, to be answered, and to be chosen from four numbers."""
    held = {}
    for split in ("train", "test"):
        text = packaged_file(f"word_problems/{split}.jsonl").read_text(encoding="utf-8")
        (folder / f"{split}.jsonl").write_text(text)
        held[split] = [json.loads(line) for line in text.splitlines()]
    rows = []
    for number, row in enumerate(held["test"]):
        right = int(row["answer"].rpartition("#### ")[2])
        values = [right, right + 1, right + 10, 2 * right + 1]
        turn = number % len(values)
        choices = values[-turn:] + values[:-turn]
        rows.append({"question": row["question"], "choices": [f" {value}" for value in choices],
                     "right": choices.index(right)})  # fmt: skip
    (folder / "choices.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for name, text, test in (("generated", GENERATED, "test"), ("chosen", CHOSEN, "choices")):
        files = {"test": folder / f"{test}.jsonl", "train": folder / "train.jsonl"}
        (folder / f"{name}.yaml").write_text(text.format(**files))
    return {name: folder / f"{name}.yaml" for name in ("generated", "chosen")}


def by_lm_eval(model: Path, task: str, folder: Path, *more: str) -> dict[str, Any]:
    """What its own command line writes."""
    out = folder / f"out-{task}"
    command = [
        sys.executable, "-m", "lm_eval", "run", "--model", "hf", "--device", "cpu",
        "--model_args", f"pretrained={model},dtype=float32", "--tasks", task, "--limit", str(LIMIT),
        "--batch_size", "16", "--include_path", str(folder), "--output_path", str(out), *more,
    ]  # fmt: skip
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert ended.returncode == 0, ended.stderr[-2000:]
    (file,) = out.rglob("results_*.json")
    found: dict[str, Any] = json.loads(file.read_text())["results"][task]
    return found


@pytest.mark.slow
def test_the_numbers_are_lm_evals_own_on_the_default_family(tmp_path: Path) -> None:
    files = tasks(tmp_path)
    base = Source.of(load_family("smollm2-135m").base, "float32")
    folder = LocalExecutor(Store(default_root()), SilentDisplay()).run(Graph.of([base]))[base].path
    command = [
        *LOX_BENCH, "run", "--models", "base", "--attack", "none", "--judges", "keyword",
        "--limit", str(LIMIT), "--out", str(tmp_path / "run"),
        "--utility", f"{files['generated']}(num_fewshot=2),{files['chosen']}",
    ]  # fmt: skip
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert ended.returncode == 0, ended.stderr[-2000:]
    with (tmp_path / "run" / "leaderboard.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["judge"] == "lm-eval"]
    ours = {(row["task"], row["metric"]): float(row["value"]) for row in rows}
    assert {row["n"] for row in rows} == {str(LIMIT)}
    generated = by_lm_eval(folder, "problems-generated", tmp_path, "--num_fewshot", "2")
    chosen = by_lm_eval(folder, "problems-chosen", tmp_path)
    theirs = {
        **{("problems-generated-2shot", f"exact_match@{way}"): generated[f"exact_match,{way}"]
           for way in ("strict-match", "flexible-extract")},
        **{("problems-chosen", name): chosen[f"{name},none"] for name in ("acc", "acc_norm")},
    }  # fmt: skip
    for (task, metric), value in theirs.items():
        both = f"lm-eval {value!r}, --utility {ours.get((task, metric))!r}"
        sys.stdout.write(f"{task} {metric}: {both}\n")  # pytest -s shows it
    assert ours == pytest.approx(theirs, abs=1e-6)
    assert any(0 < value < 1 for value in theirs.values())  # no number is trivially equal
