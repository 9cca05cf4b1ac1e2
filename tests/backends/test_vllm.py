"""vLLM itself, where it is installed: the same answers as hf, and no process left behind."""

import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from support.prompts import MESSAGES

from lox_bench.backends.hf import HFGenerator
from lox_bench.backends.template import load_template
from lox_bench.backends.vllm import VllmGenerator, VllmOptions

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("vllm") is None, reason="vllm is not installed (extra vllm)"),
]
CHATML = load_template("chatml")
SMALL = VllmOptions(kv_gib=0.25, max_length=512)
OWNER = """
import sys
from pathlib import Path
from lox_bench.backends.template import load_template
from lox_bench.backends.vllm import VllmGenerator, VllmOptions

class Unseen:
    def step(self, done, total, detail=""):
        pass

if __name__ == "__main__":
    options = VllmOptions(kv_gib=0.25, max_length=512)
    generator = VllmGenerator(Path(sys.argv[1]), load_template("chatml"), options=options)
    print(generator._engine.pid, flush=True)
    while True:
        generator.generate(["Hello"] * 64, max_new_tokens=200, progress=Unseen())
"""


def test_greedy_answers_are_hf_s_and_drawn_ones_have_seeds(pico: Path, silent: Any) -> None:
    plain = HFGenerator(pico, CHATML, dtype="float32")
    engine = VllmGenerator(pico, CHATML, dtype="float32", options=SMALL)
    try:
        wanted = plain.generate(MESSAGES, max_new_tokens=16, progress=silent)
        assert engine.generate(MESSAGES, max_new_tokens=16, progress=silent) == wanted
        drawn = [
            engine.sample(
                MESSAGES, max_new_tokens=16, temperature=1.0, seed=0, draw=draw, progress=silent
            )
            for draw in (0, 0, 1)
        ]
        assert drawn[0] == drawn[1] != drawn[2]
    finally:
        engine.close()


def group(pid: int) -> list[int]:
    """Processes of a process group that have not ended."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, number = file.read_text().rpartition(")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(number) == pid and state != "Z":
            found.append(int(file.parent.name))
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_owner_leaves_no_engine(pico: Path, tmp_path: Path, number: int) -> None:
    script = tmp_path / "owner.py"
    script.write_text(OWNER)
    owner = subprocess.Popen(
        [sys.executable, str(script), str(pico)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "VLLM_NO_USAGE_STATS": "1"},
    )
    assert owner.stdout is not None
    engine = int(owner.stdout.readline())
    assert group(engine)
    time.sleep(1)
    owner.send_signal(number)
    assert owner.wait(30) != 0
    owner.stdout.close()
    late = time.monotonic() + 20
    while group(engine) and time.monotonic() < late:
        time.sleep(0.1)
    assert not group(engine)
