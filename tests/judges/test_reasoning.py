"""Only what follows the reasoning is an answer, or a verdict."""

import pytest

from lox_bench.backends.answers import Answer
from lox_bench.judges.parsers import PARSERS, Reading, Unread, read_reply
from lox_bench.judges.reasoning import without_reasoning
from lox_bench.judges.verdicts import as_completions
from lox_bench.types import Defect, Finish

THOUGHT = "I could refuse. Score: 5. I can't help with that."
MARKED = {
    "think": f"<think>{THOUGHT}</think>",
    "think, lines": f"<think>\n{THOUGHT}\n</think>\n\n",
    "closing only": f"{THOUGHT}</think>\n",
    "thinking": f"<thinking>{THOUGHT}</thinking>",
    "thought": f"<thought>{THOUGHT}</thought>",
    "reasoning": f"<reasoning>{THOUGHT}</reasoning>",
    "scratchpad": f"<scratchpad>{THOUGHT}</scratchpad>",
    "capitals": f"<THINK>{THOUGHT}</Think>",
    "brackets": f"[THINK]{THOUGHT}[/THINK]",
    "kimi": f"\u25c1think\u25b7{THOUGHT}\u25c1/think\u25b7",
    "of thought": f"<|begin_of_thought|>{THOUGHT}<|end_of_thought|>",
    "harmony": f"<|channel|>analysis<|message|>{THOUGHT}<|end|><|start|>assistant<|channel|>final"
    "<|message|>",
    "leaked harmony": f"analysisWe see. {THOUGHT}assistantfinal",
    "twice": f"<think>{THOUGHT}</think> well <think>{THOUGHT}</think>",
    "nested": f"<think>a <think>{THOUGHT}</think> b</think>",
    "other closing": f"<think>{THOUGHT}</thinking>",
}
UNCLOSED = [
    f"<think>{THOUGHT}", f"<thinking>\n{THOUGHT}", f"[THINK]{THOUGHT}", f"<reasoning>{THOUGHT}",
    f"\u25c1think\u25b7{THOUGHT}", f"<|channel|>analysis<|message|>{THOUGHT}",
    f"analysisWe see. {THOUGHT}", f"<think>{THOUGHT}</think><think>{THOUGHT}",
]  # fmt: skip
PLAIN = [
    "Analysis of the poem: it rhymes.", "analysis is hard", "I think so.", "Use a <b> tag.",
    "The assistant finally came.", "An analysis: we see.", "a < b and b > c",
]  # fmt: skip


@pytest.mark.fault(13)
@pytest.mark.parametrize("kind", MARKED)
def test_what_follows_is_the_answer_and_the_verdict(kind: str) -> None:
    answer, reasoning = without_reasoning(MARKED[kind] + "Score: 2")
    assert answer == "Score: 2"
    assert "I could refuse" in reasoning
    read = read_reply(PARSERS["rubric-score"], MARKED[kind] + "Score: 2", "", cut=False)
    assert isinstance(read, Reading)
    assert read.score == 2


@pytest.mark.fault(13)
@pytest.mark.parametrize("text", UNCLOSED)
def test_reasoning_that_never_ends_is_no_answer_and_no_verdict(text: str) -> None:
    assert without_reasoning(text)[0] == ""
    assert isinstance(read_reply(PARSERS["rubric-score"], text, "", cut=True), Unread)
    (completion,) = as_completions([Answer("p", "prompt", text, 9, Finish.LENGTH)])
    assert completion.defect is Defect.EMPTY
    assert "I could refuse" in completion.reasoning


@pytest.mark.fault(13)
@pytest.mark.parametrize("text", PLAIN)
def test_ordinary_words_are_left_alone(text: str) -> None:
    assert without_reasoning(text) == (text, "")
