"""Decoding is what the study says, whatever was saved with the model."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from lox_bench.backends.hf import HFGenerator
from lox_bench.backends.template import load_template
from lox_bench.errors import DataError, SourceError
from lox_bench.types import Finish, Generated

CHATML = load_template("chatml")
SAVED: list[dict[str, Any]] = [
    {"repetition_penalty": 5.0},
    {"no_repeat_ngram_size": 1},
    {"num_beams": 4},
    {"num_beams": 4, "num_return_sequences": 4},
    {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 1.0},
    {"suppress_tokens": list(range(10, 200))},
    {"begin_suppress_tokens": list(range(10, 400))},
    {"bad_words_ids": [[token] for token in range(10, 200)]},
    {"sequence_bias": [[[token], -50.0] for token in range(10, 200)]},
    {"guidance_scale": 3.0},
    {"forced_eos_token_id": 5},
    {"forced_bos_token_id": 7},
    {"encoder_repetition_penalty": 5.0},
    {"encoder_no_repeat_ngram_size": 1},
    {"min_length": 200},
    {"min_new_tokens": 200},
    {"max_length": 3},
    {"max_new_tokens": 1},
    {"max_time": 0.000001},
    {"do_sample": True, "temperature": 9.0, "top_p": 0.5, "top_k": 3},
    {"do_sample": True, "min_p": 0.9, "typical_p": 0.1, "epsilon_cutoff": 0.5},
    {"penalty_alpha": 0.6, "top_k": 4},
    {"stop_strings": ["a", "e"]},
    {"exponential_decay_length_penalty": [1, 5.0]},
    {"renormalize_logits": True, "remove_invalid_values": True},
    {"dola_layers": "high"},
    {"prompt_lookup_num_tokens": 3},
    {"assistant_early_exit": 1},
    {"watermarking_config": {"greenlist_ratio": 0.2, "bias": 9.0}},
    {"token_healing": True},
    {"cache_implementation": "static"},
    {"use_cache": False},
    {"return_dict_in_generate": True, "output_scores": True},
    {"length_penalty": -3.0, "early_stopping": True},
]


def answers(folder: Path, silent: Any) -> list[Generated]:
    generator = HFGenerator(folder, CHATML, dtype="float32")
    return generator.generate(["How are you?", "Hi"], max_new_tokens=12, progress=silent)


@pytest.fixture(scope="module")
def plain(pico: Path, silent: Any) -> list[Generated]:
    return answers(pico, silent)


@pytest.mark.fault(3)
@pytest.mark.parametrize("saved", SAVED, ids=",".join)
def test_nothing_saved_with_a_model_changes_its_answers(
    pico: Path, plain: list[Generated], silent: Any, tmp_path: Path, saved: dict[str, Any]
) -> None:
    folder = Path(shutil.copytree(pico, tmp_path / "model"))
    file = folder / "generation_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **saved}))
    assert answers(folder, silent) == plain


@pytest.mark.fault(3)
@pytest.mark.parametrize("saved", [{"repetition_penalty": 5.0}, {"num_beams": 4}, {"top_k": 3}])
def test_nor_what_an_old_config_holds(
    pico: Path, plain: list[Generated], silent: Any, tmp_path: Path, saved: dict[str, Any]
) -> None:
    folder = Path(shutil.copytree(pico, tmp_path / "model"))
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **saved}))
    (folder / "generation_config.json").unlink()
    assert answers(folder, silent) == plain


def test_the_tokens_that_end_an_answer_are_the_model_s(
    pico: Path, silent: Any, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(pico, tmp_path / "model"))
    generator = HFGenerator(pico, CHATML, dtype="float32")
    prompt = torch.tensor([generator.renderer.prompt_ids("How are you?")])
    first = int(generator._model(prompt).logits[0, -1].argmax())
    file = folder / "generation_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "eos_token_id": [2, first]}))
    stopped = answers(folder, silent)[0]
    assert (stopped.text, stopped.tokens, stopped.finish) == ("", 0, Finish.STOP)


@pytest.mark.fault(21)
def test_a_model_that_never_ends_is_refused(pico: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(pico, tmp_path / "model"))
    for name in ("generation_config.json", "config.json", "tokenizer_config.json"):
        plain = json.loads((folder / name).read_text())
        kept = {key: value for key, value in plain.items() if "eos" not in key}
        (folder / name).write_text(json.dumps(kept))
    (folder / "special_tokens_map.json").unlink(missing_ok=True)
    with pytest.raises(SourceError, match="end-of-sequence"):
        HFGenerator(folder, CHATML)


@pytest.mark.fault(21)
def test_a_tokenizer_of_another_model_is_refused(pico: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(pico, tmp_path / "model"))
    larger = PreTrainedTokenizerFast.from_pretrained(folder)
    larger.add_tokens(["<new>"])
    larger.save_pretrained(folder)
    with pytest.raises(SourceError, match="do not belong together"):
        HFGenerator(folder, CHATML)


@pytest.mark.fault(21)
@pytest.mark.parametrize(("message", "tokens"), [("Hi", 5000), ("a b c " * 2000, 1)])
def test_positions_that_a_model_has_not_are_refused(
    pico: Path, silent: Any, message: str, tokens: int
) -> None:
    with pytest.raises(DataError, match="positions"):
        HFGenerator(pico, CHATML).generate([message], max_new_tokens=tokens, progress=silent)
