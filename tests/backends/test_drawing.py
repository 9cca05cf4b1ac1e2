"""Drawn answers: from the softmax itself, the same in any company, another for each draw."""

from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from support.prompts import MESSAGES

from lox_bench.backends.backend import Decoding, Sampling
from lox_bench.backends.drawing import GumbelNoise
from lox_bench.backends.hf import HFGenerator
from lox_bench.backends.template import load_template
from lox_bench.errors import UsageError

CHATML = load_template("chatml")


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_are_drawn_as_the_softmax_says(temperature: float) -> None:
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0, 1.5])
    rows = 4000
    noise = GumbelNoise(range(rows), temperature, torch.device("cpu"))
    drawn = noise(torch.empty(0), logits.expand(rows, -1)).argmax(dim=-1)
    counts = torch.bincount(drawn, minlength=5).numpy()
    wanted = rows * torch.softmax(logits.double() / temperature, dim=-1).numpy()
    assert chisquare(counts, wanted).pvalue > 0.001


def test_an_answer_is_the_same_in_any_company_and_another_in_each_draw(
    pico: Path, silent: Any
) -> None:
    together = HFGenerator(pico, CHATML, batch_size=5, dtype="float32")
    alone = HFGenerator(pico, CHATML, batch_size=1, dtype="float32")

    def said(generator: HFGenerator, messages: list[str], draw: int, seed: int = 0) -> list[str]:
        decoding = Sampling(12, temperature=1.0, seed=seed, draw=draw)
        return [item.text for item in decoding.asked(generator, messages, silent)]

    first = said(together, MESSAGES, 0)
    assert first == said(alone, MESSAGES, 0)
    assert first[::-1] == said(together, MESSAGES[::-1], 0)
    others = [said(together, MESSAGES, 1), said(together, MESSAGES, 0, seed=1)]
    greedy = [item.text for item in Decoding(12).asked(together, MESSAGES, silent)]
    assert all(a != b for texts in [*others, greedy] for a, b in zip(first, texts, strict=True))


def test_hardly_any_temperature_is_greedy(pico: Path, silent: Any) -> None:
    generator = HFGenerator(pico, CHATML, dtype="float32")
    cold = Sampling(8, temperature=1e-4).asked(generator, MESSAGES, silent)
    assert cold == Decoding(8).asked(generator, MESSAGES, silent)


def test_a_back_end_that_cannot_draw_says_so(silent: Any) -> None:
    class Plain:
        template_hash = pinned_date = ""

        def generate(self, messages: Any, *, max_new_tokens: int, progress: Any) -> Any:
            return []

    with pytest.raises(UsageError, match="greedily only"):
        Sampling(4).asked(Plain(), ["Hi"], silent)
