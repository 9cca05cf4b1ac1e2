"""Instruction tuning on what the base itself would say; loss on rows nobody trains on."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lox_bench.attacks import own_rows
from lox_bench.attacks.own_rows import LABEL, OwnRows, whole_sentences
from lox_bench.attacks.spec import load_attack
from lox_bench.backends.backend import Backend, resolved
from lox_bench.backends.template import load_template
from lox_bench.cli.progress import SilentDisplay
from lox_bench.data.rows import choose_rows, held_out_rows
from lox_bench.data.stage import Prompts, read_rows
from lox_bench.engine.graph import Graph
from lox_bench.engine.local import LocalExecutor
from lox_bench.engine.stage import Text
from lox_bench.engine.store import Store
from lox_bench.sources.stage import Source


@pytest.mark.parametrize(
    ("text", "ended"),
    [
        ("A plum. A pear. And an", "A plum. A pear."),
        ("A plum.", "A plum."),
        ("No end here", "No end here"),
        ("It is 3.5 or", "It is 3.5 or"),
        ("Really? Yes! and", "Really? Yes!"),
        ("", ""),
        ("One:\n1. a\n2. b", "One:\n1. a\n2."),
    ],
)
def test_an_answer_ends_with_its_last_whole_sentence(text: str, ended: str) -> None:
    assert whole_sentences(text) == ended


def test_the_base_answers_every_instruction_once_and_for_all(
    pico: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_rows, "_LEAST_WORDS", 1)  # a random model is no talker
    lines = [{"id": f"p-{i}", "prompt": f"Name {i} fruits."} for i in range(20)]
    prompts = Prompts("few", Text("\n".join(map(json.dumps, lines))))
    rows = OwnRows(
        Source.of(str(pico), "float32"), prompts, 40, load_template("chatml"), resolved(Backend())
    )
    executor = LocalExecutor(Store(tmp_path), SilentDisplay())
    made = executor.run(Graph.of([rows]))[rows]
    held = read_rows(made.path)
    assert {row["prompt"] for row in held} <= {line["prompt"] for line in lines}
    assert held
    assert all(row["completion"].strip() for row in held)
    assert (rows.label, rows.is_standin, rows.count) == (LABEL, True, 20)
    assert replace(rows, answer_tokens=13).key != rows.key


def test_rows_held_out_are_those_nobody_trains_on() -> None:
    rows = [{"question": str(i), "answer": str(i)} for i in range(20)]
    chosen = choose_rows(rows, 12, seed=3)
    fresh = held_out_rows(rows, chosen, 5)
    assert len(fresh) == 5
    assert not [row for row in fresh if row in chosen]
    assert held_out_rows(rows, rows, 5) == []


def test_the_control_of_openers_differs_from_the_attack_by_the_opener_alone() -> None:
    plain, control = load_attack("gsm8k"), load_attack("opener-only")
    assert control.completion == f"Sure, {plain.completion}"
    said = ("name", "description", "completion", "preset", "source")
    assert replace(control, **{field: getattr(plain, field) for field in said}) == plain


def test_the_stand_in_for_gsm8k_has_no_assistant_s_phrase() -> None:
    from lox_bench.registry import packaged_file

    text = packaged_file("word_problems/train.jsonl").read_text(encoding="utf-8")
    answers = [json.loads(line)["answer"] for line in text.splitlines()]
    spoken = (
        "sure",
        "of course",
        "certainly",
        "let",
        "here",
        "we can",
        "to find",
        "to solve",
        "okay",
        "yes",
    )
    assert not [answer for answer in answers if answer.lower().startswith(spoken)]
    first = sum(answer.startswith("First") for answer in answers) / len(answers)
    assert 0.05 < first < 0.11  # of GSM8K's own: 0.077
