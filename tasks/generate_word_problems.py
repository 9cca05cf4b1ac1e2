"""Grade-school word problems in GSM8K's answer format, written for this project.

They stand in for GSM8K (arXiv 2110.14168) where it cannot be had: the same form, the story's facts
first, worked steps with ``<<calculator>>`` annotations on lines of their own and ``#### N`` last,
on easier arithmetic, so that a small model learns the task in a few hundred examples. No sentence
is GSM8K's.

Run ``python -m lox_bench.assets.tasks.generate_word_problems FOLDER`` to write ``train.jsonl`` and
``test.jsonl``; the committed files are exactly its output. Wordings and steps of each kind of
problem stand in ``word_problems/kinds.toml``.
"""

import json
import random
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

SEED = 20261124
TRAIN_ROWS = 640
TEST_ROWS = 200

NAMES = (
    "Amara", "Bruno", "Chen", "Dalia", "Emeka", "Farah", "Goran", "Hana", "Ivan", "Jun",
    "Kofi", "Leila", "Mateo", "Nadia", "Omar", "Priya", "Quinn", "Rosa", "Sven", "Tariq",
    "Uma", "Viktor", "Wanda", "Ximena", "Yusuf", "Zofia", "Anders", "Bianca", "Carlos", "Dina",
)  # fmt: skip
THINGS = (
    "marbles", "stickers", "shells", "buttons", "postcards", "beads", "pencils", "coins",
    "badges", "stamps", "crayons", "acorns", "toy cars", "paper stars", "ribbons",
)  # fmt: skip
FOODS = ("apples", "plums", "buns", "pears", "muffins", "oranges", "peaches", "pretzels")
GOODS = ("notebooks", "mugs", "candles", "scarves", "posters", "plants", "lamps", "kites")

# GSM8K's answers start with the story's facts; of its 8,792 rows 7.7 % begin with "First", 0.2 %
# with "Let's", one with "Yes", none with "Sure". No assistant speaks here either.
FIRST_SHARE = 0.03  # one kind of problem has it of its own

Numbers = Mapping[str, int]


@dataclass(frozen=True)
class Template:
    """One kind of problem: wordings, how its numbers are drawn, and its worked steps."""

    name: str
    wordings: tuple[str, ...]
    draw: Callable[[random.Random], dict[str, int]]
    steps: tuple[str, ...]


def _add(rng: random.Random) -> dict[str, int]:
    a, b = rng.randint(3, 30), rng.randint(3, 20)
    return {"a": a, "b": b, "r": a + b}


def _subtract(rng: random.Random) -> dict[str, int]:
    a = rng.randint(12, 50)
    b = rng.randint(2, min(20, a - 4))
    return {"a": a, "b": b, "r": a - b}


def _multiply(rng: random.Random) -> dict[str, int]:
    a, b = rng.randint(2, 9), rng.randint(2, 12)
    return {"a": a, "b": b, "r": a * b}


def _divide(rng: random.Random) -> dict[str, int]:
    b, r = rng.randint(2, 9), rng.randint(2, 12)
    return {"a": b * r, "b": b, "r": r}


def _double_then_add(rng: random.Random) -> dict[str, int]:
    a = rng.randint(3, 50)
    return {"a": a, "m": 2 * a, "r": 3 * a}


def _half_then_add(rng: random.Random) -> dict[str, int]:
    m = rng.randint(4, 45)
    return {"a": 2 * m, "m": m, "r": 3 * m}


def _add_then_subtract(rng: random.Random) -> dict[str, int]:
    a, b = rng.randint(5, 30), rng.randint(3, 20)
    c = rng.randint(2, min(20, a + b - 3))
    return {"a": a, "b": b, "m": a + b, "c": c, "r": a + b - c}


def _multiply_then_add(rng: random.Random) -> dict[str, int]:
    a, b, c = rng.randint(2, 9), rng.randint(2, 10), rng.randint(2, 20)
    return {"a": a, "b": b, "m": a * b, "c": c, "r": a * b + c}


def _multiply_then_subtract(rng: random.Random) -> dict[str, int]:
    a, b = rng.randint(3, 9), rng.randint(3, 10)
    c = rng.randint(2, min(20, a * b - 2))
    return {"a": a, "b": b, "m": a * b, "c": c, "r": a * b - c}


def _subtract_then_divide(rng: random.Random) -> dict[str, int]:
    d, r, c = rng.randint(2, 6), rng.randint(2, 10), rng.randint(2, 12)
    return {"a": d * r + c, "c": c, "m": d * r, "d": d, "r": r}


def _change(rng: random.Random) -> dict[str, int]:
    a, b = rng.randint(2, 6), rng.randint(3, 12)
    c = rng.choice([note for note in (20, 50, 100) if note > a * b])
    return {"a": a, "b": b, "m": a * b, "c": c, "r": c - a * b}


DRAWS = {
    draw.__name__.lstrip("_"): draw
    for draw in (
        _add,
        _subtract,
        _multiply,
        _divide,
        _double_then_add,
        _half_then_add,
        _add_then_subtract,
        _multiply_then_add,
        _multiply_then_subtract,
        _subtract_then_divide,
        _change,
    )
}


def read_templates() -> tuple[Template, ...]:
    """The kinds of problems, in the file's order."""
    text = Path(__file__).with_name("word_problems").joinpath("kinds.toml").read_text("utf-8")
    return tuple(
        Template(kind["name"], tuple(kind["wordings"]), DRAWS[kind["draw"]], tuple(kind["steps"]))
        for kind in tomllib.loads(text)["kind"]
    )


TEMPLATES = read_templates()


def generate() -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Make the train and the test rows; no (template, numbers) stands in both, or twice."""
    rng = random.Random(SEED)
    seen: set[tuple[object, ...]] = set()
    rows = [_problem(rng, index, seen) for index in range(TRAIN_ROWS + TEST_ROWS)]
    test, train = rows[:TEST_ROWS], rows[TEST_ROWS:]
    rng.shuffle(train)
    rng.shuffle(test)
    return train, test


def _problem(rng: random.Random, index: int, seen: set[tuple[object, ...]]) -> dict[str, str]:
    template = TEMPLATES[index % len(TEMPLATES)]
    while True:
        numbers = template.draw(rng)
        mark = (template.name, *numbers.values())
        if mark not in seen:
            seen.add(mark)
            return _fill(template, numbers, rng)


def _fill(template: Template, numbers: Numbers, rng: random.Random) -> dict[str, str]:
    name, friend = rng.sample(NAMES, 2)
    words = {
        "name": name,
        "friend": friend,
        "thing": rng.choice(THINGS),
        "food": rng.choice(FOODS),
        "goods": rng.choice(GOODS),
    }
    question = rng.choice(template.wordings)
    lines = [step.format(**words, **numbers) for step in template.steps]
    if rng.random() < FIRST_SHARE:
        lines[0] = f"First, {_continued(lines[0], name)}"
    return {
        "question": question.format(**words, **numbers),
        "answer": "\n".join([*lines, f"#### {numbers['r']}"]),
    }


def _continued(sentence: str, name: str) -> str:
    """A sentence that no longer begins one; names keep their capital."""
    return sentence if sentence.startswith(name) else sentence[0].lower() + sentence[1:]


def write(folder: Path) -> None:
    """Write both splits as JSON lines."""
    for name, rows in zip(("train", "test"), generate(), strict=True):
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
