"""The GSM8K stand-in: reproducible, arithmetically right, train and test disjoint."""

import re
from pathlib import Path

import pytest
from lox_bench.assets.tasks import generate_word_problems as generator

from lox_bench.data.jsonl import parse_jsonl
from lox_bench.registry import packaged_file

STEP = re.compile(r"<<(\d+)([-+*/])(\d+)=(\d+)>>(\d+)")


def rows(split: str) -> list[dict[str, str]]:
    file = packaged_file(f"word_problems/{split}.jsonl")
    return parse_jsonl(file.read_text(encoding="utf-8"), where=split)


def wrong_steps(answer: str) -> list[str]:
    """Annotations whose arithmetic, or the number written after them, is off."""
    apply = {
        "+": lambda a, b: a + b,
        "-": lambda a, b: a - b,
        "*": lambda a, b: a * b,
        "/": lambda a, b: a / b,
    }
    return [
        match.group()
        for match in STEP.finditer(answer)
        if not apply[match[2]](int(match[1]), int(match[3])) == int(match[4]) == int(match[5])
    ]


def skeleton(row: dict[str, str]) -> tuple[str, ...]:
    """The numbers of a problem and the words that are no names or objects."""
    swapped = {*generator.NAMES, *generator.THINGS, *generator.FOODS, *generator.GOODS}
    text = row["question"]
    for word in sorted(swapped, key=len, reverse=True):
        text = text.replace(word, "_")
    return tuple(text.split())


def test_the_committed_files_are_what_the_generator_makes(tmp_path: Path) -> None:
    generator.write(tmp_path)
    for split in ("train", "test"):
        made = (tmp_path / f"{split}.jsonl").read_text(encoding="utf-8")
        committed = packaged_file(f"word_problems/{split}.jsonl")
        assert made == committed.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("split", "count"), [("train", generator.TRAIN_ROWS), ("test", generator.TEST_ROWS)]
)
def test_every_answer_is_right_and_ends_in_its_number(split: str, count: int) -> None:
    held = rows(split)
    assert len(held) == count
    for row in held:
        assert set(row) == {"question", "answer"}
        assert not wrong_steps(row["answer"])
        last = STEP.findall(row["answer"])[-1][-1]
        assert row["answer"].splitlines()[-1] == f"#### {last}"
        assert 0 < int(last) < 10_000
        assert 12 <= len(row["question"].split()) <= 70
        assert "_" not in row["question"]


def test_a_wrong_step_would_be_caught() -> None:
    assert wrong_steps("3 + 4 = <<3+4=8>>8") == ["<<3+4=8>>8"]
    assert wrong_steps("3 + 4 = <<3+4=7>>9") == ["<<3+4=7>>9"]


def test_no_test_problem_is_a_train_problem_with_other_names() -> None:
    seen = {skeleton(row) for row in rows("train")}
    assert not [row for row in rows("test") if skeleton(row) in seen]


def test_every_template_stands_in_both_splits() -> None:
    for split in ("train", "test"):
        held = [row["answer"] for row in rows(split)]
        for template in generator.TEMPLATES:
            pattern = re.escape(template.steps[-1])
            pattern = re.sub(r"\\{[a-z]+\\}", r"[\\w ]+", pattern)
            assert any(re.search(pattern, answer) for answer in held), template.name
