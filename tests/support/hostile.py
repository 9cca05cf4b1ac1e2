"""Answers that try to act on the page that shows them."""

import random

from lox_bench.study.variant import Variant
from lox_bench.types import Prompt
from support.synthetic import answer

HOSTILE = (
    "</template></script><!-- <script>window.broken = 1</script>"
    "<img src=x onerror='window.broken = 1'>\u2028]]>&amp;\"'`\u202etxt"
)


def hostile(cell: Variant, prompt: Prompt, luck: random.Random) -> str:
    """Some models answer one prompt with markup."""
    return HOSTILE if prompt.id == "lookalike-eval-001" else answer(cell, prompt, luck)
