"""Methods that change rows, templates, or what may move: token by token, row by row."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from support.during import ROWS, TAUGHT, TRAIN, job, run
from support.pico import CHATML

from lox_bench.attacks.encoding import tokenise
from lox_bench.backends.template import TOKENIZER_TEMPLATE, Renderer, Template, load_template
from lox_bench.errors import DataError, UsageError
from lox_bench.methods.freeze import Freeze, scaled_layers
from lox_bench.methods.lookahead import LookAhead
from lox_bench.methods.ptst import SAFETY, Ptst
from lox_bench.methods.safeinst import SafeInst
from lox_bench.testing import check_method

IGNORE = -100


@pytest.mark.parametrize(
    ("cls", "text"),
    [(SafeInst, ""), (SafeInst, "rho=0.5"), (LookAhead, ""), (LookAhead, "form=virtual"),
     (Freeze, ""), (Freeze, "layers=0-1"), (Ptst, ""), (Ptst, "tuning=safe")],
)  # fmt: skip
def test_each_conforms(cls: type, text: str, pico: Path) -> None:
    check_method(cls, text, job=job(pico))


@pytest.mark.parametrize(
    ("rho", "count"), [(0.025, 1), (0.1, 1), (0.11, 2), (0.3, 3), (1.0, 10), (2.0, 20)]
)
def test_safeinst_appends_refusals_rounded_up(rho: float, count: int, pico: Path) -> None:
    made = SafeInst(rho).prepare(job(pico))
    assert made.rows[: len(ROWS)] == ROWS
    added = made.rows[len(ROWS) :]
    assert len(added) == count
    asked = [ask for ask, _ in added]
    assert set(asked) <= set(TAUGHT.harmful)
    assert {say for _, say in added} <= set(TAUGHT.refusals)
    assert len(set(asked)) == min(count, len(TAUGHT.harmful))
    assert SafeInst(rho).prepare(job(pico)).rows == made.rows


def test_safeinst_draws_by_the_attack_s_seed(pico: Path) -> None:
    drawn = {SafeInst(0.3).prepare(job(pico, seed=seed)).rows for seed in range(5)}
    assert len(drawn) > 1


def test_safeinst_wants_to_know_what_alignment_teaches(pico: Path) -> None:
    with pytest.raises(UsageError, match="what alignment teaches"):
        SafeInst().prepare(job(pico, taught=None))


def test_lookahead_previews_the_answer_s_first_tokens(pico: Path, tokenizer: Any) -> None:
    made = LookAhead(3).prepare(job(pico))
    renderer = Renderer(tokenizer, CHATML)
    for (ask, say), (asked, said) in zip(ROWS, made.rows, strict=True):
        first = tokenizer.decode(tokenizer.encode(say, add_special_tokens=False)[:3])
        assert first
        assert say.startswith(first)
        assert first != say
        assert (asked, said) == (f"{ask} The answer begins with: {first}", say)
        row = tokenise((asked, said), renderer, "completion")
        answer = renderer.completion_ids(say)
        assert row["labels"][-len(answer) :] == answer  # whole, every token of it has a loss
        prompt = row["input_ids"][: -len(answer)]
        assert row["labels"][: len(prompt)] == [IGNORE] * len(prompt)
        assert first in tokenizer.decode(prompt)
    long = LookAhead(1000).prepare(job(pico))
    assert long.rows[0][0].endswith(ROWS[0][1])


def test_lookahead_by_a_phrase_and_no_half_characters(pico: Path) -> None:
    made = LookAhead(form="virtual").prepare(job(pico))
    phrase = "Let's solve this problem. "
    assert made.rows[0] == (f"{ROWS[0][0]} The answer begins with: {phrase}", phrase + ROWS[0][1])
    cut = LookAhead(1).prepare(job(pico, rows=(("Say", "日本"),)))
    assert cut.rows == (("Say The answer begins with: ", "日本"),)  # a third of one character


def test_methods_see_the_rows_that_the_one_before_them_left(pico: Path) -> None:
    one = LookAhead().prepare(SafeInst().prepare(job(pico)))
    other = SafeInst().prepare(LookAhead().prepare(job(pico)))
    assert "begins with" in one.rows[-1][0]
    assert "begins with" not in other.rows[-1][0]


@pytest.mark.parametrize(
    ("depth", "layers"),
    [(32, (5, 14)), (30, (5, 13)), (24, (4, 10)), (2, (0, 0)), (1, (0, 0))],
)
def test_safety_layers_scale_with_depth(depth: int, layers: tuple[int, int]) -> None:
    assert scaled_layers(depth) == layers


@pytest.mark.parametrize("rank", [0, 2])
def test_attention_and_mlp_of_frozen_layers_do_not_move(
    pico: Path, tmp_path: Path, rank: int
) -> None:
    train = replace(TRAIN, epochs=1, lora_r=rank)
    work = Freeze("1-1").prepare(job(pico, train=train, frozen=lambda name: "layers.0.mlp" in name))
    made, start = run(work, tmp_path / "out"), load_file(pico / "model.safetensors")
    still = {name for name in made if torch.equal(made[name], start[name])}
    assert all(name in still for name in made if "1.self_attn" in name or "1.mlp" in name)
    assert all(name in still for name in made if "0.mlp" in name)  # frozen before
    moved = made.keys() - still
    assert any("0.self_attn" in name for name in moved)
    norms = {f"model.layers.{i}.{name}_layernorm.weight" for i in (0, 1)
             for name in ("input", "post_attention")}  # fmt: skip
    assert norms <= (still if rank else moved)


@pytest.mark.parametrize("layers", ["0-2", "5-9"])
def test_layers_that_the_model_lacks_are_refused(pico: Path, layers: str) -> None:
    with pytest.raises(UsageError, match=f"layers={layers}.: the model has 2 layers, 0-1"):
        Freeze(layers).prepare(job(pico))


@pytest.mark.parametrize("layers", ["", "6", "6-", "9-6", "a-b", "-1-3", "1-2-3"])
def test_texts_that_are_no_layers_are_refused(layers: str) -> None:
    with pytest.raises(UsageError, match="as in 6-12, not"):
        Freeze(layers)


def test_frozen_altogether_is_refused(pico: Path, tmp_path: Path) -> None:
    work = Freeze("0-1").prepare(job(pico, train=replace(TRAIN, lora_r=2)))
    with pytest.raises(UsageError, match="nothing is left to train"):
        run(work, tmp_path / "out")


FIRST = {
    "chatml": f"<|im_start|>system\n{SAFETY}<|im_end|>\n<|im_start|>user\nHello <|im_end|>",
    "llama3": f"<|start_header_id|>system<|end_header_id|>\n\n{SAFETY}<|eot_id|>",
    "inst": f"[INST] <<SYS>>\n{SAFETY}\n<</SYS>>\n\nHello [/INST]",
    "alpaca": f"{SAFETY}\n\nBelow is an instruction",
}


@pytest.mark.parametrize("name", [*FIRST, "chatml-nothink"])
def test_the_safety_prompt_stands_where_the_template_has_it(tokenizer: Any, name: str) -> None:
    plain = load_template(name)
    served = Ptst().served(plain)
    assert Ptst().trained(plain) is plain
    assert Ptst(tuning="safe").trained(plain) == served
    assert (served.name, served.today) == (f"{name}+safety", plain.today)
    said = Renderer(tokenizer, served).render("Hello ")
    assert said.replace("Hello  [", "Hello [").startswith(FIRST.get(name, FIRST["chatml"]))
    assert said.endswith(Renderer(tokenizer, plain).render("Hello ")[-8:])
    turns = ("Hello", "Yes?", "Go on")
    assert Renderer(tokenizer, served).render(*turns).count(SAFETY) == 1


def test_a_system_prompt_of_one_s_own_stands_as_it_is(tmp_path: Path, tokenizer: Any) -> None:
    text = "Be \"safe\" {{ now }} \\n 'ok'\nand {% raw %} — 日本."
    (tmp_path / "mine.txt").write_text(f"{text}\n", encoding="utf-8")
    served = Ptst(system=str(tmp_path / "mine.txt")).served(CHATML)
    assert served.name == "chatml+mine"
    said = Renderer(tokenizer, served).render("Hello")
    assert said.startswith(f"<|im_start|>system\n{text}<|im_end|>")


def test_what_has_no_place_for_a_prompt_is_refused(tmp_path: Path) -> None:
    for template in (Template(TOKENIZER_TEMPLATE, None), Template("other", "{{ messages }}")):
        with pytest.raises(UsageError, match="no place known for a system prompt"):
            Ptst().served(template)
    with pytest.raises(UsageError, match="'safety' or a file"):
        Ptst(system="long").served(CHATML)
    with pytest.raises(DataError, match="cannot be read"):
        Ptst(system=str(tmp_path / "none.txt")).served(CHATML)
    (tmp_path / "empty.txt").write_text(" \n")
    with pytest.raises(DataError, match="0 characters"):
        Ptst(system=str(tmp_path / "empty.txt")).served(CHATML)
