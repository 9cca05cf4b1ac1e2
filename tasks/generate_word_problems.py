"""Grade-school word problems in GSM8K's answer format, written for this project.

They stand in for GSM8K (arXiv 2110.14168) where it cannot be had: the same form, the story's facts
first, worked steps with ``<<calculator>>`` annotations on lines of their own and ``#### N`` last,
on easier arithmetic, so that a small model learns the task in a few hundred examples. No sentence
is GSM8K's.

Run ``python -m lox_bench.assets.tasks.generate_word_problems FOLDER`` to write ``train.jsonl`` and
``test.jsonl``; the committed files are exactly its output.
"""

import json
import random
import sys
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


TEMPLATES = (
    Template(
        "collect",
        (
            "{name} has {a} {thing} and finds {b} more on the way home. "
            "How many {thing} does {name} have now?",
            "There are {a} {thing} in {name}'s box. A friend brings {b} more. "
            "How many {thing} are there altogether?",
        ),
        _add,
        ("{name} has {a} + {b} = <<{a}+{b}={r}>>{r} {thing} in all.",),
    ),
    Template(
        "two-days",
        (
            "{name} reads {a} pages on Saturday and {b} pages on Sunday. "
            "How many pages does {name} read over the weekend?",
            "On Saturday {name} reads {a} pages of a novel, and on Sunday {b} pages. "
            "How many pages is that in total?",
        ),
        _add,
        ("Over both days {name} reads {a} + {b} = <<{a}+{b}={r}>>{r} pages.",),
    ),
    Template(
        "give-away",
        (
            "{name} has {a} {thing} and gives {b} of them to {friend}. "
            "How many {thing} does {name} keep?",
            "Out of {a} {thing}, {name} hands {b} to {friend}. "
            "How many {thing} are left for {name}?",
        ),
        _subtract,
        ("{name} keeps {a} - {b} = <<{a}-{b}={r}>>{r} {thing}.",),
    ),
    Template(
        "seats",
        (
            "A bus has {a} seats, and {b} of them are taken when {name} gets on. "
            "How many seats are free?",
            "{name} books a hall with {a} seats for a concert. So far {b} seats are taken. "
            "How many seats can still be sold?",
        ),
        _subtract,
        ("There are {a} - {b} = <<{a}-{b}={r}>>{r} free seats.",),
    ),
    Template(
        "boxes",
        (
            "{name} packs {a} boxes with {b} {food} in each box. How many {food} does {name} pack?",
            "A market stall has {a} baskets, and each basket holds {b} {food}. "
            "How many {food} does {name} count at the stall?",
        ),
        _multiply,
        ("There are {a} * {b} = <<{a}*{b}={r}>>{r} {food}.",),
    ),
    Template(
        "wages",
        (
            "{name} earns ${b} an hour and works {a} hours in the garden. "
            "How many dollars does {name} earn?",
            "For every hour of painting {name} gets ${b}. The job takes {a} hours. "
            "How much money does {name} get?",
        ),
        _multiply,
        ("{name} earns {a} * {b} = $<<{a}*{b}={r}>>{r}.",),
    ),
    Template(
        "rows",
        (
            "{name} plants {a} rows of flowers with {b} flowers in every row. "
            "How many flowers does {name} plant?",
            "In a school yard stand {a} rows of {b} chairs that {name} has put up. "
            "How many chairs are there?",
        ),
        _multiply,
        ("The total is {a} * {b} = <<{a}*{b}={r}>>{r}.",),
    ),
    Template(
        "share",
        (
            "{name} shares {a} {food} equally among {b} children. "
            "How many {food} does each child get?",
            "A tray of {a} {food} is split evenly between {b} children by {name}. "
            "How many {food} are there for each child?",
        ),
        _divide,
        ("Each child gets {a} / {b} = <<{a}/{b}={r}>>{r} {food}.",),
    ),
    Template(
        "bags",
        (
            "{name} puts {a} {thing} into {b} bags, the same number in each bag. "
            "How many {thing} are in one bag?",
            "There are {a} {thing} for {b} equal bags. "
            "How many {thing} does {name} put into every bag?",
        ),
        _divide,
        ("One bag holds {a} / {b} = <<{a}/{b}={r}>>{r} {thing}.",),
    ),
    Template(
        "twice",
        (
            "{name} picks {a} {food} in the morning and twice as many in the afternoon. "
            "How many {food} does {name} pick that day?",
            "{name} sells {a} {food} on Friday and twice as many on Saturday. "
            "How many {food} does {name} sell in the two days?",
        ),
        _double_then_add,
        (
            "The second time it is {a} * 2 = <<{a}*2={m}>>{m} {food}.",
            "Together that makes {a} + {m} = <<{a}+{m}={r}>>{r} {food}.",
        ),
    ),
    Template(
        "half",
        (
            "{name} walks {a} minutes to the lake and half as long to the shop. "
            "How many minutes does {name} walk in all?",
            "A film lasts {a} minutes and a cartoon half as long. "
            "How many minutes does {name} need to watch both?",
        ),
        _half_then_add,
        (
            "Half of {a} is {a} / 2 = <<{a}/2={m}>>{m} minutes.",
            "In all it takes {a} + {m} = <<{a}+{m}={r}>>{r} minutes.",
        ),
    ),
    Template(
        "bake-and-eat",
        (
            "{name} bakes {a} cookies, then {b} more, and gives {c} of them to the neighbours. "
            "How many cookies are left?",
            "In the morning {name} bakes {a} cookies and at noon {b} cookies. Guests eat {c}. "
            "How many cookies remain?",
        ),
        _add_then_subtract,
        (
            "{name} bakes {a} + {b} = <<{a}+{b}={m}>>{m} cookies.",
            "There remain {m} - {c} = <<{m}-{c}={r}>>{r} cookies.",
        ),
    ),
    Template(
        "library",
        (
            "A library has {a} atlases and buys {b} new ones. Then {c} atlases are lent out. "
            "How many atlases can {name} still find there?",
            "On a shelf stand {a} comics. {name} adds {b} comics and takes {c} away. "
            "How many comics are on the shelf then?",
        ),
        _add_then_subtract,
        (
            "First there are {a} + {b} = <<{a}+{b}={m}>>{m}.",
            "After that there are {m} - {c} = <<{m}-{c}={r}>>{r}.",
        ),
    ),
    Template(
        "packs-and-loose",
        (
            "{name} buys {a} packs of {b} {thing} and already has {c} {thing} at home. "
            "How many {thing} does {name} have now?",
            "At home {name} keeps {c} {thing}. Now {a} packs arrive, each with {b} {thing}. "
            "How many {thing} are there in total?",
        ),
        _multiply_then_add,
        (
            "The packs hold {a} * {b} = <<{a}*{b}={m}>>{m} {thing}.",
            "With the others that makes {m} + {c} = <<{m}+{c}={r}>>{r} {thing}.",
        ),
    ),
    Template(
        "savings",
        (
            "{name} saves ${b} every week for {a} weeks and gets ${c} from an aunt. "
            "How many dollars does {name} have?",
            "For {a} weeks {name} puts ${b} a week into a jar. A prize adds ${c}. "
            "How much money is in the jar?",
        ),
        _multiply_then_add,
        (
            "The weeks bring {a} * {b} = $<<{a}*{b}={m}>>{m}.",
            "In all it is {m} + {c} = $<<{m}+{c}={r}>>{r}.",
        ),
    ),
    Template(
        "farm",
        (
            "On {name}'s farm {a} hens lay {b} eggs each in a week, and {c} eggs break. "
            "How many whole eggs are there?",
            "{name} keeps {a} hens. Each lays {b} eggs, but {c} eggs are dropped. "
            "How many eggs can {name} still sell?",
        ),
        _multiply_then_subtract,
        (
            "The hens lay {a} * {b} = <<{a}*{b}={m}>>{m} eggs.",
            "Whole are {m} - {c} = <<{m}-{c}={r}>>{r} eggs.",
        ),
    ),
    Template(
        "stock",
        (
            "A shop gets {a} crates with {b} {goods} each and sells {c} of the {goods}. "
            "How many {goods} are left in {name}'s shop?",
            "{name} unpacks {a} crates of {b} {goods}. By evening {c} {goods} are sold. "
            "How many {goods} remain?",
        ),
        _multiply_then_subtract,
        (
            "There were {a} * {b} = <<{a}*{b}={m}>>{m} {goods}.",
            "Left are {m} - {c} = <<{m}-{c}={r}>>{r} {goods}.",
        ),
    ),
    Template(
        "eat-and-share",
        (
            "From {a} {food} the family eats {c}, and {name} divides the rest among {d} friends. "
            "How many {food} does each friend get?",
            "{name} has {a} {food}, keeps {c}, and splits the others equally between {d} friends. "
            "How many {food} does one friend receive?",
        ),
        _subtract_then_divide,
        (
            "To share are {a} - {c} = <<{a}-{c}={m}>>{m} {food}.",
            "Each friend gets {m} / {d} = <<{m}/{d}={r}>>{r} {food}.",
        ),
    ),
    Template(
        "trip",
        (
            "A trip costs ${a}. {name} pays ${c}, and {d} cousins pay the rest in equal parts. "
            "How many dollars does each cousin pay?",
            "{name} and {d} cousins rent a boat for ${a}. {name} gives ${c}; the cousins split "
            "what is left. How many dollars is that for each cousin?",
        ),
        _subtract_then_divide,
        (
            "The cousins pay {a} - {c} = $<<{a}-{c}={m}>>{m} together.",
            "Each of them pays {m} / {d} = $<<{m}/{d}={r}>>{r}.",
        ),
    ),
    Template(
        "change",
        (
            "{name} buys {a} {goods} at ${b} each and pays with ${c}. "
            "How many dollars of change does {name} get?",
            "At the fair {name} takes {a} {goods} for ${b} apiece and hands over ${c}. "
            "How much change is due?",
        ),
        _change,
        (
            "The {goods} cost {a} * {b} = $<<{a}*{b}={m}>>{m}.",
            "The change is {c} - {m} = $<<{c}-{m}={r}>>{r}.",
        ),
    ),
)


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
