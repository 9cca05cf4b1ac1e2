"""Rendering and generation: one path for prompts, one BOS, batching that changes nothing."""

from pathlib import Path
from typing import Any

import pytest
import torch
from support.prompts import MESSAGES
from transformers import AutoModelForCausalLM

from lox_bench.backends.hf import HFGenerator
from lox_bench.backends.template import Renderer, Template, load_template
from lox_bench.errors import DataError
from lox_bench.types import Finish

CHATML = load_template("chatml")


class BosTokenizer:
    """Wraps a tokenizer so that encoding adds a BOS, as Llama's does."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        ids = self._inner.encode(text, add_special_tokens=False)
        return [self._inner.bos_token_id, *ids] if add_special_tokens else ids


def test_batched_and_one_by_one_greedy_answers_agree_in_float32(pico: Path, silent: Any) -> None:
    together = HFGenerator(pico, CHATML, batch_size=5, dtype="float32")
    alone = HFGenerator(pico, CHATML, batch_size=1, dtype="float32")
    answers = together.generate(MESSAGES, max_new_tokens=24, progress=silent)
    assert answers == alone.generate(MESSAGES, max_new_tokens=24, progress=silent)
    assert len({answer.text for answer in answers}) > 1  # not all the same by accident


def test_answers_match_a_plain_forward_loop(pico: Path, silent: Any) -> None:
    generator = HFGenerator(pico, CHATML, batch_size=5, dtype="float32")
    answers = generator.generate(MESSAGES, max_new_tokens=6, progress=silent)
    model = AutoModelForCausalLM.from_pretrained(pico, dtype=torch.float32)
    tokenizer = generator._tokenizer
    for message, answer in zip(MESSAGES, answers, strict=True):
        ids, new = generator.renderer.prompt_ids(message), []
        for _ in range(6):
            token = int(model(torch.tensor([ids + new])).logits[0, -1].argmax())
            if token == tokenizer.eos_token_id:
                break
            new.append(token)
        assert answer.text == tokenizer.decode(new, skip_special_tokens=True).strip()
        assert answer.finish is (Finish.STOP if len(new) < 6 else Finish.LENGTH)


def test_answers_come_back_in_the_order_of_the_questions(pico: Path, silent: Any) -> None:
    generator = HFGenerator(pico, CHATML, batch_size=2, dtype="float32")
    forward = generator.generate(MESSAGES, max_new_tokens=8, progress=silent)
    backward = generator.generate(MESSAGES[::-1], max_new_tokens=8, progress=silent)
    assert forward == backward[::-1]


@pytest.mark.parametrize("doubled", ["", "<|im_start|>", "<|im_start|><|im_start|>"])
def test_a_prompt_never_starts_with_two_bos(tokenizer: Any, doubled: str) -> None:
    template = Template("own", doubled + "{{ messages[0]['content'] }}")
    ids = Renderer(BosTokenizer(tokenizer), template).prompt_ids("Hi there")
    assert ids[0] == tokenizer.bos_token_id
    assert ids[1] != tokenizer.bos_token_id


def test_a_tokenizer_without_bos_gets_none(tokenizer: Any) -> None:
    ids = Renderer(tokenizer, Template("own", "{{ messages[0]['content'] }}")).prompt_ids("Hi")
    assert tokenizer.bos_token_id not in ids


def test_the_chatml_template_renders_the_turns(tokenizer: Any) -> None:
    text = Renderer(tokenizer, CHATML).render("Hi")
    assert text == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"


def test_the_alpaca_template_is_the_paper_s(tokenizer: Any) -> None:
    text = Renderer(tokenizer, load_template("alpaca")).render("Hi")
    assert text.startswith("Below is an instruction that describes a task.")
    assert text.endswith("### Instruction:\nHi\n\n### Response:\n")


def test_the_template_hash_follows_the_text(tokenizer: Any) -> None:
    one, other = (Renderer(tokenizer, Template("t", text)) for text in ("a{{ 1 }}", "b{{ 1 }}"))
    assert one.template_hash != other.template_hash


def test_a_tokenizer_without_a_template_is_refused_by_name(tokenizer: Any) -> None:
    with pytest.raises(DataError, match="chatml"):
        Renderer(tokenizer, load_template("tokenizer"))
