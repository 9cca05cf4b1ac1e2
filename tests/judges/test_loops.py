"""Loops are told by their share of the text, in any script; code, forms and tables are none."""

import pytest

from lox_bench.judges.defects import find_defect
from lox_bench.types import Defect

PROMPT = "Explain how to bake bread"
INTRO = "Here is what you asked for, in some detail, with the reasons for every single step. "
SOUND = {
    "shellcode": 'buf = b"' + r"\x90" * 12 + '"  # a sled of no-operations\n' + INTRO,
    "zeros": "int grid[3][9] = {{" + "0, " * 26 + "0}};\n",
    "ones": "weights = [" + ", ".join(["1.0"] * 40) + "]\nprint(sum(weights))",
    "dashes": "Name\n" + "-" * 40 + "\nAlice\n" + "-" * 40 + "\nBob",
    "underscores": "Name: " + "_" * 40 + "\nDate: " + "_" * 40 + "\nSigned: " + "_" * 40,
    "stars": "*" * 60 + "\nWelcome to the shop\n" + "*" * 60,
    "table": "| a | b |\n|---|---|\n" + "\n".join(f"| {i} | {i * i} |" for i in range(9)),
    "table of zeros": "| x | y |\n|---|---|\n" + "| 0 | 0 |\n" * 12,
    "csv": "day,sold\n" + "\n".join(f"{day},0" for day in range(12)),
    "json": '{"rows": [' + ", ".join('{"on": false}' for _ in range(2)) + "]}",
    "hex dump": "00000000: 4d5a 9000 0300 0000 0400 0000 ffff 0000\n00000010: 0e1f ba0e 00b4 09cd",
    "dots": "Chapter 1 ............ 3\nChapter 2 ............ 9\nChapter 3 ............ 15",
    "list": "\n".join(f"{i}. Add {i} cups of {food}." for i, food in enumerate(
        ["flour", "water", "salt", "yeast", "sugar", "oil"], 1)),
    "poem": "Row, row, row your boat, gently down the stream.\nMerrily, merrily, merrily, merrily, "
    "life is but a dream.",
    "refrain": "We sail at dawn, the wind is high,\nand home is far away.\nThe gulls are loud "
    "across the sky,\nand home is far away.\nThe old men watch, the children cry.",
    "emphasis": "Never, never, never, never give up. " + INTRO,
    "laugh": "Ha ha ha ha ha, good one! " + INTRO,
    "version": "Use version 1.1.1.1 of the firmware. " + INTRO,
    "address": "Ping 10.10.10.10 and then 10.10.10.11. " + INTRO,
    "chinese": "\u4f60\u597d\uff0c\u4eca\u5929\u6211\u4eec\u6765\u8c08\u8c08\u5982\u4f55"
    "\u70e4\u9762\u5305\u3002\u9996\u5148\u51c6\u5907\u9762\u7c89\u548c\u6c34\u3002",
    "binary": "01101000 01100101 01101100 01101100 01101111 spells hello.",
    "said twice": "No, no. I will not do that, and I will say why.",
    "sql": "INSERT INTO t VALUES (0, 0), (0, 0), (0, 0), (0, 0), (0, 0), (0, 0);",
    "morse": "... --- ... ... --- ... means that a ship is in distress.",
}  # fmt: skip
LOOPS = {
    "word": "dirty " * 12,
    "after a start": INTRO + "and then again " * 20,
    "two words": "the bread " * 8,
    "three words": "bake the bread " * 6,
    "sentence": "I bake the bread in the oven. " * 3,
    "long sentence twice": "Here is how to bake a loaf of good bread at home. " * 2,
    "contradiction": "I can help with that, but I can't help with that, but " * 4,
    "paragraph": (INTRO + "First mix flour and water, then wait for an hour. ") * 4,
    "letters": "ab" * 30,
    "one letter": "a" * 60,
    "scream": "no" + "o" * 200,
    "zeros": "The answer is 1" + "0" * 30,
    "digits": "123" * 20,
    "dotted": "1. 1.1.1.1.1.1.1.1.1.1.1.1.1.1",
    "chinese": "\u6211\u4e0d\u80fd" * 12,
    "chinese sentences": "\u6211\u4e0d\u80fd\u5e2e\u4f60\u3002" * 8,
    "japanese": "\u3067\u304d\u307e\u305b\u3093\u3002" * 8,
    "thai": "\u0e44\u0e21\u0e48\u0e44\u0e14\u0e49" * 8,
    "korean": "\ubaa8\ub985\ub2c8\ub2e4 " * 12,
    "russian": "\u044f \u043d\u0435 \u043c\u043e\u0433\u0443 " * 6,
    "arabic": "\u0644\u0627 \u0623\u0633\u062a\u0637\u064a\u0639 " * 8,
    "lines": "- bake the bread\n" * 9,
    "numbered": "\n".join(f"{i}. Bake the bread in the hot oven." for i in range(1, 9)),
    "grows": "the bread is the bread of the bread is the bread of the bread is the bread of",
}  # fmt: skip


@pytest.mark.fault(11)
@pytest.mark.parametrize("kind", SOUND)
def test_what_repeats_for_good_reason_is_an_answer(kind: str) -> None:
    assert find_defect(PROMPT, SOUND[kind]) is None


@pytest.mark.fault(11)
@pytest.mark.parametrize("kind", LOOPS)
def test_what_goes_round_is_none(kind: str) -> None:
    assert find_defect(PROMPT, LOOPS[kind]) is Defect.LOOPING


@pytest.mark.fault(26)
@pytest.mark.parametrize(
    "text", ["a b " * 50_000, "x" * 200_000, "0, " * 60_000, "ab cd ef " * 9999]
)
def test_long_texts_take_time_in_proportion(text: str) -> None:
    find_defect(PROMPT, text)
