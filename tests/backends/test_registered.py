"""A back end is whatever the registry knows under its name; it answers in the stages of ours."""

from pathlib import Path
from typing import Any

import pytest
from support.display import Display

from lox_bench.backends.answers import Answers, read_answers
from lox_bench.backends.backend import Backend, Decoding
from lox_bench.backends.template import load_template
from lox_bench.data.stage import Prompts
from lox_bench.engine.graph import Graph
from lox_bench.engine.local import LocalExecutor
from lox_bench.engine.stage import Text
from lox_bench.engine.store import Store
from lox_bench.errors import UnknownNameError
from lox_bench.sources.stage import Source

PARROT = """
from lox_bench.types import Finish, Generated


class Parrot:
    template_hash = "none"
    pinned_date = ""

    def __init__(self, folder, template, *, batch_size, dtype):
        assert (folder / "config.json").is_file()
        self.said = f"{template.name} {batch_size} {dtype}"

    def generate(self, messages, *, max_new_tokens, progress):
        return [Generated(f"{text} {self.said}", max_new_tokens, Finish.STOP) for text in messages]
"""


def answers_by(name: str, pico: Path) -> Answers:
    prompts = Prompts("one", Text('{"id": "a", "prompt": "Hello"}'))
    model, backend = Source.of(str(pico), "float32"), Backend(name, "float32", 7)
    return Answers(model, prompts, None, load_template("chatml"), Decoding(3), backend)


def test_a_back_end_of_a_file_s_answers(pico: Path, tmp_path: Path, silent: Any) -> None:
    file = tmp_path / "parrot.py"
    file.write_text(PARROT)
    stage = answers_by(f"{file}:Parrot", pico)
    outcome = LocalExecutor(Store(tmp_path / "store"), Display(silent)).run(Graph.of([stage]))
    (answer,) = read_answers(outcome[stage].path)
    assert (answer.text, answer.tokens) == ("Hello chatml 7 float32", 3)


def test_a_name_that_nobody_registered_is_refused(pico: Path, tmp_path: Path, silent: Any) -> None:
    executor = LocalExecutor(Store(tmp_path / "store"), Display(silent))
    with pytest.raises(UnknownNameError, match="hf"):
        executor.run(Graph.of([answers_by("hff", pico)]))


def test_answers_of_two_back_ends_have_two_keys(pico: Path) -> None:
    assert answers_by("hf", pico).key != answers_by("vllm", pico).key
