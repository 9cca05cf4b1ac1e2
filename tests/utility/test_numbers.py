"""The same number is the same answer, however it is written; what cannot be read is said."""

from dataclasses import replace
from typing import Any

import pytest

from lox_bench.types import Finish, Generated
from lox_bench.utility.harness import evaluate
from lox_bench.utility.numbers import read_number, same_answer
from lox_bench.utility.scores import Scored
from lox_bench.utility.spec import load_utility

ALIKE = [
    ("$1,600", "1600"), ("72.00", "72"), ("72.", "72"), ("**72**", "72"), ("-3", "-3.0"),
    ("29", "$29.00"), ("-$3", "-3"), ("$-3", "-3"), ("\u22123", "-3"), ("1,234,567", "1234567"),
    ("007", "7"), (".5", "0.5"), ("72%", "72"), ("(7)", "7"), ("\uff11\uff16", "16"),
    ("72 €", "72"), ("£1,000.50", "1000.5"), ("`42`", "42"), ("+8", "8"), ("0", "-0"),
    ("\\$5", "5"), ("yes", "Yes."), ("(B)", "b"),
]  # fmt: skip
UNLIKE = [
    ("3", "-3"), ("72", "7.2"), ("1,60", "160"), ("3,5", "35"), ("", ""), ("$", ""),
    ("29 apples", "29"), ("1e2", "100"), ("--3", "3"), ("72", "seventy-two"), ("no", "yes"),
    ("1" * 5000, "1"), ("NaN", "0"), ("inf", "1"),
]  # fmt: skip
ANSWERS = [  # an answer, then: correct, flexible, unread
    ("It is #### 72", (True, True, False)),
    ("####72", (True, True, False)),
    ("#### $72.00", (True, True, False)),
    ("#### **72**", (True, True, False)),
    ("**#### 72**", (True, True, False)),
    ("#### 72.", (True, True, False)),
    ("#### 0072", (True, True, False)),
    ("#### -72", (False, False, False)),
    ("#### \u221272", (False, False, False)),
    ("#### 7.2", (False, False, False)),
    ("#### 71\n#### 72", (True, True, False)),
    ("#### 72\nThat is 6 dozen.", (True, False, False)),
    ("The answer is 72.", (False, True, True)),
    ("The answer is $72.00, of course.", (False, True, True)),
    ("So 80-72 it is", (False, True, True)),
    ("\\boxed{72}", (False, True, True)),
    ("seventy-two", (False, False, True)),
    ("", (False, False, True)),
    ("#### seventy-two", (False, False, True)),
    ("#### ", (False, False, True)),
]


class _Said:
    """Answers the n-th request with the n-th text."""

    template_hash = "0"

    def generate(self, messages: Any, *, max_new_tokens: int, progress: Any) -> list[Generated]:
        del max_new_tokens, progress
        return [Generated(ANSWERS[int(text)][0], 3, Finish.STOP) for text in messages]


@pytest.mark.fault(18, inputs=len(ALIKE))
def test_one_number_is_one_answer_however_it_is_written() -> None:
    assert [pair for pair in ALIKE if not same_answer(*pair)] == []


@pytest.mark.fault(18, inputs=len(UNLIKE))
def test_other_numbers_and_what_is_none_are_not() -> None:
    assert [pair for pair in UNLIKE if same_answer(*pair)] == []


@pytest.mark.fault(18, inputs=3)
@pytest.mark.parametrize("text", ["1,600", "$1,600.00", "-1,600"])
def test_commas_part_thousands(text: str) -> None:
    assert abs(read_number(text) or 0) == 1600


@pytest.mark.fault(18, inputs=len(ANSWERS))
def test_strict_and_flexible_reading_stand_side_by_side(silent: Any) -> None:
    rows = [{"question": str(i), "answer": "6 * 12\n#### 72"} for i in range(len(ANSWERS))]
    scored = evaluate(load_utility("gsm8k"), rows, _Said(), silent)
    found = {ANSWERS[int(s.prompt)][0]: (s.correct, s.flexible, s.unread) for s in scored}
    assert found == dict(ANSWERS)


def test_each_metric_is_the_share_of_one_field() -> None:
    scored = Scored("q", "a", "t", correct=False, flexible=True, unread=True)
    assert [scored.counts(m) for m in ("accuracy", "accuracy_flexible", "unread")] == [
        False,
        True,
        True,
    ]


@pytest.mark.fault(17, inputs=7)
def test_text_stays_text_on_the_way_through_lm_eval(silent: Any) -> None:
    texts = ["007", "2024-01-01", "[1, 2]", "1.0", "true", "{{ 7 * 7 }}", "2024-01-01T00:00:00"]
    spec = replace(load_utility("gsm8k"), extract="(.*)", flexible="(.*)")
    rows = [{"question": str(i), "answer": text} for i, text in enumerate(texts)]
    scored = evaluate(spec, rows, _Said(), silent)
    assert [item.target for item in scored] == texts
