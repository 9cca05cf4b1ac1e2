"""An engine lives in a process of its own, and no end of ours, however sudden, leaves it behind.

What stands in for vLLM here (tests/support/fake_vllm) starts a worker, as an engine on several
devices does; tests/backends/test_vllm.py does the same with vLLM itself, where it is installed.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lox_bench.backends.engine import Engine
from lox_bench.backends.template import load_template
from lox_bench.backends.vllm import VllmGenerator, VllmOptions
from lox_bench.engine.context import Loaded
from lox_bench.errors import DataError, MissingExtraError, SourceError
from lox_bench.types import Finish

CHATML = load_template("chatml")
OWNER = """
import signal, sys
from lox_bench.backends.engine import Engine
from lox_bench.cli.signals import stoppable

signal.signal(signal.SIGINT, signal.default_int_handler)
with stoppable():
    engine = Engine({"model": "any"})
    print("ready", flush=True)
    if sys.argv[1] == "raise":
        raise RuntimeError("on purpose")
    job = {"prompts": [[1]] * 100, "seeds": [None] * 100, "temperature": 0.0, "stops": [2]}
    engine.ask({**job, "max_new_tokens": 4}, lambda done: print("done", done, flush=True))
"""


def gone(file: Path, within_s: float = 8.0) -> bool:
    """Whether all processes of the engine end in time."""
    late = time.monotonic() + within_s
    pids = json.loads(file.read_text())
    while any(map(alive, pids)):
        if time.monotonic() > late:
            return False
        time.sleep(0.05)
    return True


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_ids_go_in_and_come_out(pico: Path, silent: Any, fake: Path) -> None:
    generator = VllmGenerator(pico, CHATML, dtype="float32")
    answers = generator.generate(["Hi", "How are you?"], max_new_tokens=8, progress=silent)
    lengths = [len(generator.renderer.prompt_ids(text)) for text in ("Hi", "How are you?")]
    tokenizer = generator._tokenizer
    assert [item.text for item in answers] == [tokenizer.decode([n]).strip() for n in lengths]
    assert {(item.tokens, item.finish) for item in answers} == {(1, Finish.STOP)}
    one, other = (
        generator.sample(["Hi"], max_new_tokens=8, temperature=1, seed=0, draw=n, progress=silent)
        for n in (0, 1)
    )
    assert one != other
    generator.close()
    assert gone(fake)


def test_another_model_ends_the_engine_of_the_one_before(fake: Path) -> None:
    loaded = Loaded()
    loaded.get("a", lambda: Engine({"model": "any"}))
    loaded.keep_only("a")
    assert not gone(fake, 0.2)
    loaded.keep_only("b")
    assert gone(fake)


@pytest.mark.parametrize("end", ["kill", "int", "term", "raise"])
def test_no_end_of_ours_leaves_an_engine_behind(fake: Path, end: str) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, end],
        env={**os.environ, "VLLM_SLOW": "0.2"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert owner.stdout is not None
    seen = [owner.stdout.readline() for _ in range(1 if end == "raise" else 2)]
    if end != "raise":
        assert seen[0] == "ready\n"
        assert seen[1].startswith("done ")  # at work
        owner.send_signal(getattr(signal, f"SIG{end.upper()}"))
    assert owner.wait(20) != 0
    owner.stdout.close()
    assert gone(fake)


def test_an_engine_that_dies_is_one_line(
    pico: Path, silent: Any, fake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_DIES", "1")
    generator = VllmGenerator(pico, CHATML)
    with pytest.raises(SourceError, match=r"ended without a word.*--backend hf"):
        generator.generate(["Hi"], max_new_tokens=4, progress=silent)
    assert gone(fake)
    with pytest.raises(SourceError, match="gone"):
        generator.generate(["Hi"], max_new_tokens=4, progress=silent)


@pytest.mark.usefixtures("fake")
def test_an_engine_that_does_not_start_says_why() -> None:
    with pytest.raises(SourceError, match="No room for the KV cache"):
        Engine({"model": "refuse"})


@pytest.mark.usefixtures("fake")
def test_too_long_a_prompt_names_the_option(pico: Path, silent: Any) -> None:
    generator = VllmGenerator(pico, CHATML, options=VllmOptions(max_length=32))
    with pytest.raises(DataError, match=r"max_length=1\d\d\b"):
        generator.generate(["Hi"], max_new_tokens=100, progress=silent)
    with pytest.raises(DataError, match="positions"):
        generator.generate(["Hi"], max_new_tokens=10_000, progress=silent)
    generator.close()


def test_without_vllm_the_extra_is_named(pico: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lox_bench.backends.engine.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"lox-bench\[vllm\]"):
        VllmGenerator(pico, CHATML)
